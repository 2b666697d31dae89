"""A model that is made by a call: the toy model, wider."""


def wide():
    """Return the keys of a model description."""
    return {
        "source": "made up for a test",
        "extends": "toy-model",
        "hidden_size": 32 * 4,
        "ffn_size": 64 * 4,
    }
