"""Statistics of evaluations."""

from maestromotif.bench.stats import Alternative, Interval, PermutationTest, bootstrap_mean, permutation_test, wilson

__all__ = ["Alternative", "Interval", "PermutationTest", "bootstrap_mean", "permutation_test", "wilson"]
