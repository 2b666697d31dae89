"""GPU operator models: closed forms from data-sheet numbers and a few fitted, named constants."""
