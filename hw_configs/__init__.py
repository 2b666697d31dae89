"""Hardware description files shipped with archsim (data only)."""
