/* Medians, bootstrap intervals, outliers. */
#include "stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLES = 1000 };

struct random random_seeded(uint64_t seed)
{
    /* splitmix64's mixing: near seeds give far states */
    uint64_t z = seed + 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (struct random){z ? z : 1};
}

uint64_t random_next(struct random *random)
{
    uint64_t x = random->state;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    random->state = x;
    return x * 2685821657736338717u;
}

size_t random_below(struct random *random, size_t n)
{
    return (size_t)((unsigned __int128)random_next(random) * n >> 64);
}

void random_order(struct random *random, size_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i > 1; i--) {
        size_t other = random_below(random, i), kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of sorted values. */
static double quantile_of(const double *sorted, size_t n, double q)
{
    if (n == 0)
        return 0;
    double place = q * (double)(n - 1);
    size_t below = (size_t)place;
    double above = below + 1 < n ? sorted[below + 1] : sorted[below];
    return sorted[below] + (place - (double)below) * (above - sorted[below]);
}

/* In malloc'd memory. */
static double *sorted_copy(struct samples samples)
{
    double *copy = malloc((samples.n + 1) * sizeof *copy);
    if (!copy)
        abort();
    if (samples.n)
        memcpy(copy, samples.at, samples.n * sizeof *copy);
    qsort(copy, samples.n, sizeof *copy, by_size);
    return copy;
}

double stats_quantile(struct samples samples, double q)
{
    double *sorted = sorted_copy(samples);
    double result = quantile_of(sorted, samples.n, q);
    free(sorted);
    return result;
}

double stats_median(struct samples samples) { return stats_quantile(samples, 0.5); }

bool stats_is_outlier(struct samples samples, double x)
{
    if (samples.n < 4)
        return false;
    double low = stats_quantile(samples, 0.25), high = stats_quantile(samples, 0.75);
    return x < low - 1.5 * (high - low) || x > high + 1.5 * (high - low);
}

size_t stats_outliers(struct samples samples)
{
    size_t count = 0;
    for (size_t i = 0; i < samples.n; i++)
        count += stats_is_outlier(samples, samples.at[i]);
    return count;
}

double stats_geometric_mean(struct samples values)
{
    double logs = 0;
    for (size_t i = 0; i < values.n; i++)
        logs += log(values.at[i]);
    return values.n ? exp(logs / (double)values.n) : 0;
}

/* --- bootstrap ---------------------------------------------------------------------------------------- */

/* The median of the group's samples in `count` rounds, those that are there; room[] is for `count` numbers.
 * Returns 0 where there are none. */
static double median_of_rounds(struct samples group, const size_t *rounds, size_t count, double *room)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (rounds[i] < group.n && !isnan(group.at[rounds[i]]))
            room[n++] = group.at[rounds[i]];
    qsort(room, n, sizeof *room, by_size);
    return quantile_of(room, n, 0.5);
}

/* In how many rounds all groups have a sample. */
static size_t whole_rounds(const struct samples *groups, size_t count, size_t rounds)
{
    size_t whole = 0;
    for (size_t r = 0; r < rounds; r++) {
        size_t there = 0;
        for (size_t g = 0; g < count; g++)
            there += r < groups[g].n && !isnan(groups[g].at[r]);
        whole += there == count;
    }
    return whole;
}

/* Student's 97.5 % quantile for n - 1 degrees of freedom to the normal's, and the bootstrap's variance being
 * that of n, not n - 1. */
double stats_widening(size_t n)
{
    static const double student[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                                     2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093};
    double t = n - 2 < sizeof student / sizeof *student ? student[n - 2] : 1.96 + 2.5 / (double)(n - 1);
    return t / 1.96 * sqrt((double)n / (double)(n - 1));
}

static void widen(struct estimate *e)
{
    double k = stats_widening(e->n);
    if (e->value <= 0 || e->low <= 0)
        return;
    e->low = e->value * pow(fmin(e->low / e->value, 1), k);
    e->high = e->value * pow(fmax(e->high / e->value, 1), k);
}

struct estimate stats_bootstrap(const struct samples *groups, size_t count, stats_figure *figure,
                                const void *context, uint64_t seed)
{
    struct random random = random_seeded(seed);
    size_t rounds = 0, valid = 0;
    for (size_t g = 0; g < count; g++)
        rounds = groups[g].n > rounds ? groups[g].n : rounds;
    struct estimate result = {.n = whole_rounds(groups, count, rounds)};
    if (!count || !result.n)
        return (struct estimate){0};
    double *room = calloc(rounds + count + RESAMPLES, sizeof *room);
    size_t *chosen = calloc(rounds, sizeof *chosen);
    if (!room || !chosen)
        abort();
    double *medians = room + rounds, *figures = medians + count;
    for (size_t r = 0; r < rounds; r++)
        chosen[r] = r;
    for (size_t g = 0; g < count; g++)
        medians[g] = median_of_rounds(groups[g], chosen, rounds, room);
    result.value = result.low = result.high = figure(medians, count, context);
    for (int i = 0; result.n > 1 && i < RESAMPLES; i++) {
        bool all = true;
        for (size_t r = 0; r < rounds; r++)
            chosen[r] = random_below(&random, rounds);
        for (size_t g = 0; g < count; g++)
            all &= (medians[g] = median_of_rounds(groups[g], chosen, rounds, room)) > 0;
        if (all)
            figures[valid++] = figure(medians, count, context);
    }
    qsort(figures, valid, sizeof *figures, by_size);
    if (valid) {
        result.low = quantile_of(figures, valid, 0.025);
        result.high = quantile_of(figures, valid, 0.975);
        widen(&result);
    }
    free(room);
    free(chosen);
    return result;
}

static double itself(const double *medians, size_t groups, const void *context)
{
    (void)groups, (void)context;
    return medians[0];
}

static double quotient(const double *medians, size_t groups, const void *context)
{
    (void)groups, (void)context;
    return medians[1] > 0 ? medians[0] / medians[1] : 0;
}

struct estimate stats_median_interval(struct samples samples, uint64_t seed)
{
    return stats_bootstrap(&samples, 1, itself, NULL, seed);
}

struct estimate stats_ratio(struct samples upper, struct samples lower, uint64_t seed)
{
    const struct samples groups[2] = {upper, lower};
    return stats_bootstrap(groups, 2, quotient, NULL, seed);
}

enum agreement stats_agree(struct estimate a, struct estimate b)
{
    if (!stats_has_interval(a) || !stats_has_interval(b))
        return UNKNOWN;
    return a.low <= b.high && b.low <= a.high ? AGREE : DISAGREE;
}

bool stats_includes(struct estimate estimate, double value)
{
    return !stats_has_interval(estimate) || (estimate.low <= value && value <= estimate.high);
}
