"""A toy plug-in of archsim."""
