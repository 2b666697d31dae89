"""Terminal reports, rendered from results and nothing else.

:func:`~archsim.report.run.render_result` gives the report of one run,
:func:`~archsim.report.comparison.render_comparison` the table of several,
:func:`~archsim.report.scores.render_scores` that of a validation suite. Each returns a rich
renderable; :func:`~archsim.report.layout.to_text` makes a string of one.
"""
