"""Energy, area and static-power tables, and the one place that scales them between technologies."""
