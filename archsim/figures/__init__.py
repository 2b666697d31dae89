"""Pictures for papers: each is a plug-in that computes its data, then draws it."""
