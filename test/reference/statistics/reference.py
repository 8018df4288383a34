"""Expected results of paired tests and bootstrap intervals: python reference.py > expected.json (numpy and scipy)."""
import json

import numpy
import scipy
from scipy import stats

random = numpy.random.default_rng(7)
cases = []
for n, shift, digits in ((5, 0.5, 6), (8, 0.0, 6), (12, 1.0, 6), (15, 0.3, 1), (25, 0.2, 6), (60, 0.2, 6)):
    a = random.normal(size=n).round(digits)
    b = (a + shift + random.normal(size=n)).round(digits)
    d = b - a
    t = stats.ttest_rel(b, a)
    distinct = len(set(numpy.abs(d).round(9))) == n and not numpy.any(numpy.abs(d) < 1e-9)
    if not distinct:
        d = d.round(9)  # differences of rounded numbers: equal ones must be equal
    method = "exact" if distinct and n <= 50 else "approx"
    wilcoxon = stats.wilcoxon(d, zero_method="wilcox", correction=False, method=method)
    case = {
        "a": a.tolist(),
        "b": b.tolist(),
        "t": {"statistic": float(t.statistic), "p": float(t.pvalue)},
        "wilcoxon": {"method": method, "statistic": float(wilcoxon.statistic), "p": float(wilcoxon.pvalue)},
    }
    if n <= 15:
        def mean(x, axis):
            return x.mean(axis=axis)

        test = stats.permutation_test((d,), mean, permutation_type="samples", n_resamples=numpy.inf, vectorized=True)
        case["permutation"] = {"statistic": float(test.statistic), "p": float(test.pvalue)}
    cases.append(case)

skewed = random.exponential(size=40).round(6)
bootstrap = {"x": skewed.tolist()}
for method in ("percentile", "BCa"):
    got = stats.bootstrap((skewed,), numpy.mean, n_resamples=200_000, method=method, rng=numpy.random.default_rng(1))
    low, high = got.confidence_interval
    bootstrap[method] = {"low": float(low), "high": float(high), "standard_error": float(got.standard_error)}

p = [0.01, 0.04, 0.03, 0.005, 0.2, 0.9, 0.03]
order = numpy.argsort(p, kind="stable")
raw = [(len(p) - rank) * p[i] for rank, i in enumerate(order)]
adjusted = numpy.empty(len(p))
adjusted[order] = numpy.minimum(1, numpy.maximum.accumulate(raw))
normal = {str(z): float(stats.norm.sf(z)) for z in (0.0, 0.5, 1.0, 1.96, 2.9, 3.1, 5.0, 8.0, -1.5)}

print(json.dumps({
    "made_with": f"numpy {numpy.__version__}, scipy {scipy.__version__}",
    "paired": cases,
    "bootstrap": bootstrap,
    "holm": {"p": p, "adjusted": adjusted.tolist()},
    "normal_tail": normal,
}, indent=1))
