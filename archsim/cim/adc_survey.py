"""ADC energy and area by regression over published converters.

References
----------
T. Andrulis et al., "Modeling analog-digital-converter energy and area for compute-in-memory
accelerator design", arXiv:2404.06553, a regression over B. Murmann's ADC survey; coefficients read
from the ``hwcomponents-adc`` package, ``model.yaml``.
"""

from __future__ import annotations

import math

from archsim.errors import ConfigError

MIN_ENOB = 4.0
"""Fewest effective bits the regression covers."""

LEAKAGE_SHARE = 0.2
"""Leakage power as a share of energy times rate."""


def signal_to_noise_db(enob: float) -> float:
    """Return the signal to noise and distortion of effective bits, dB: ``6.02 enob + 1.76``."""
    return 6.02 * enob + 1.76


def survey_adc_energy_pj(enob: float, node_nm: float, samples_per_s: float) -> float:
    """Return the energy of one conversion, pJ.

    Parameters
    ----------
    enob
        Effective number of bits, at least 4.
    node_nm
        Technology node, nm.
    samples_per_s
        Conversion rate of one converter, 1/s.

    Raises
    ------
    ConfigError
        Fewer effective bits than the survey has.

    Notes
    -----
    Schreier's figure of merit is the lesser of a line that falls with rate and one that grows with
    resolution; ``E = 0.5 * 10**((SNDR - FOM)/10)``, then a factor for node and resolution.
    """
    if enob < MIN_ENOB:
        raise ConfigError(
            "the survey of converters has none of so few bits",
            path="enob",
            given=enob,
            allowed=f"at least {MIN_ENOB:g}",
        )
    by_rate = 213.78 - 2.8719 * math.log(samples_per_s)
    by_bits = 128.307 + 3.22052 * math.ceil(enob)
    merit_db = min(by_rate, by_bits)
    joules = 0.5 * math.pow(10.0, (signal_to_noise_db(enob) - merit_db) / 10.0)
    node = math.exp(26.050 + 1.8800 * math.log(node_nm) - 2.8291 * math.log(enob) - 1.4702)
    return joules * node


def survey_adc_area_um2(energy_pj: float, node_nm: float, samples_per_s: float) -> float:
    """Return the area of one converter of that conversion energy, µm²."""
    log_area = 1.3462 + 0.9933 * math.log(node_nm) + 0.18072 * math.log(samples_per_s)
    return math.exp(log_area + 0.29912 * math.log(energy_pj))
