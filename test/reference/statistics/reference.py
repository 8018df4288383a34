"""Expected results of paired t tests and bootstrap intervals: python reference.py > expected.json (numpy and scipy)."""
import json

import numpy
import scipy
from scipy import stats

random = numpy.random.default_rng(7)
cases = []
for n, shift, digits in ((5, 0.5, 6), (8, 0.0, 6), (12, 1.0, 6), (15, 0.3, 1), (25, 0.2, 6), (60, 0.2, 6)):
    a = random.normal(size=n).round(digits)
    b = (a + shift + random.normal(size=n)).round(digits)
    t = stats.ttest_rel(b, a)
    cases.append({"a": a.tolist(), "b": b.tolist(), "t": {"statistic": float(t.statistic), "p": float(t.pvalue)}})

skewed = random.exponential(size=40).round(6)
got = stats.bootstrap((skewed,), numpy.mean, n_resamples=200_000, method="percentile", rng=numpy.random.default_rng(1))
low, high = got.confidence_interval
percentile = {"low": float(low), "high": float(high), "standard_error": float(got.standard_error)}

p = [0.01, 0.04, 0.03, 0.005, 0.2, 0.9, 0.03]
order = numpy.argsort(p, kind="stable")
raw = [(len(p) - rank) * p[i] for rank, i in enumerate(order)]
adjusted = numpy.empty(len(p))
adjusted[order] = numpy.minimum(1, numpy.maximum.accumulate(raw))

print(json.dumps({
    "made_with": f"numpy {numpy.__version__}, scipy {scipy.__version__}",
    "paired": cases,
    "bootstrap": {"x": skewed.tolist(), "percentile": percentile},
    "holm": {"p": p, "adjusted": adjusted.tolist()},
}, indent=1))
