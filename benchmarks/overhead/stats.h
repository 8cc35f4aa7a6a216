/* Statistics of repeated measurements: medians, bootstrap intervals, outliers. All functions are pure: the
 * random numbers come from the seed that is passed, so that a report can be computed again. */
#ifndef LAB_STATS_H
#define LAB_STATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An estimate with its 95 % confidence interval, in the unit of the samples. n: samples it rests on; 0: none;
 * with 1 there is a value, but no interval. */
struct estimate {
    double value, low, high;
    size_t n;
};

/* Samples of one thing; the array is the caller's and is not changed. */
struct samples {
    const double *at;
    size_t n;
};

/* xorshift64*, seeded by any number. */
struct random {
    uint64_t state;
};
struct random random_seeded(uint64_t seed);
uint64_t random_next(struct random *random);
/* Uniform in [0, n); n is at least 1. */
size_t random_below(struct random *random, size_t n);
/* Puts numbers 0..n-1 into order[], in a random order. */
void random_order(struct random *random, size_t *order, size_t n);

/* The middle, or the mean of the two middle ones; 0 where there are none. */
double stats_median(struct samples samples);

/* The q-quantile, 0 <= q <= 1, by linear interpolation between order statistics (Hyndman and Fan's type 7).
 */
double stats_quantile(struct samples samples, double q);

/* Whether x is more than 1.5 interquartile ranges away from the quartiles (Tukey's fences). Never with less
 * than four samples. */
bool stats_is_outlier(struct samples samples, double x);
size_t stats_outliers(struct samples samples);

/* Of positive values; 0 where there are none. */
double stats_geometric_mean(struct samples values);

/* A bootstrap of a figure that is computed from the medians of groups of positive samples. The samples of one
 * index belong to one round of measurements, where NAN stands for one that is lacking: rounds are resampled
 * with replacement, all groups together, so that what slows a round down on all sides cancels. The percentile
 * interval is too narrow for few samples, which at most spans them: it is widened around the value, on a
 * logarithmic scale, as Student's distribution is wider than the normal one (the factor of Hesterberg's
 * expanded percentile interval, 2015). */
typedef double stats_figure(const double *medians, size_t groups, const void *context);
struct estimate stats_bootstrap(const struct samples *groups, size_t count, stats_figure *figure,
                                const void *context, uint64_t seed);

/* By how much the interval of n samples, two or more, is wider than the percentiles that the bootstrap gives. */
double stats_widening(size_t n);

/* The median's own interval; the ratio of two medians', of the same rounds. */
struct estimate stats_median_interval(struct samples samples, uint64_t seed);
struct estimate stats_ratio(struct samples upper, struct samples lower, uint64_t seed);

/* Whether the intervals have a point in common; unknown where one has no interval. */
enum agreement { DISAGREE, AGREE, UNKNOWN };
enum agreement stats_agree(struct estimate a, struct estimate b);

static inline bool stats_has_interval(struct estimate estimate) { return estimate.n >= 2; }

/* Whether the interval has `value` in it: then the estimate is not distinguishable from it. Also where there
 * is no interval. */
bool stats_includes(struct estimate estimate, double value);

#endif
