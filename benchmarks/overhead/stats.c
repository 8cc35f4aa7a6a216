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

static double resampled_median(struct samples samples, struct random *random, double *room)
{
    for (size_t i = 0; i < samples.n; i++)
        room[i] = samples.at[random_below(random, samples.n)];
    qsort(room, samples.n, sizeof *room, by_size);
    return quantile_of(room, samples.n, 0.5);
}

struct estimate stats_bootstrap(const struct samples *groups, size_t count, stats_figure *figure, const void *context,
                                uint64_t seed)
{
    struct random random = random_seeded(seed);
    size_t most = 1, least = SIZE_MAX;
    for (size_t g = 0; g < count; g++) {
        most = groups[g].n > most ? groups[g].n : most;
        least = groups[g].n < least ? groups[g].n : least;
    }
    if (!count || !least)
        return (struct estimate){0};
    double *room = calloc(most + count + RESAMPLES, sizeof *room);
    if (!room)
        abort();
    double *medians = room + most, *figures = medians + count;
    for (size_t g = 0; g < count; g++)
        medians[g] = stats_median(groups[g]);
    struct estimate result = {.value = figure(medians, count, context), .n = least};
    for (int i = 0; i < RESAMPLES; i++) {
        for (size_t g = 0; g < count; g++)
            medians[g] = resampled_median(groups[g], &random, room);
        figures[i] = figure(medians, count, context);
    }
    qsort(figures, RESAMPLES, sizeof *figures, by_size);
    result.low = quantile_of(figures, RESAMPLES, 0.025);
    result.high = quantile_of(figures, RESAMPLES, 0.975);
    free(room);
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

bool stats_agree(struct estimate a, struct estimate b) { return a.low <= b.high && b.low <= a.high; }

bool stats_includes(struct estimate estimate, double value)
{
    return estimate.low <= value && value <= estimate.high;
}
