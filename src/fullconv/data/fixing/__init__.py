"""A corrected copy of a data set: ``value_rules`` decide, ``fixed_copy`` writes."""
