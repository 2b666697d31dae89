"""Predicted against measured: suites of cases, their statistics and their bars.

A suite (:class:`~archsim.validation.suite.Suite`, entry-point group ``archsim.suites``) turns rows
of measured or published numbers into scored items; :func:`~archsim.validation.scoring.score` turns
those into the statistics that ``archsim validate`` prints.
"""
