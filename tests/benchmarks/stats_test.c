/* Statistics of the overhead lab. Expected values are from definitions and from tables, worked out by hand. */
#include "../../benchmarks/overhead/stats.h"

#include <criterion/criterion.h>
#include <math.h>

#define SAMPLES(...) ((struct samples){(double[]){__VA_ARGS__}, sizeof(double[]){__VA_ARGS__} / sizeof(double)})

static bool near(double a, double b) { return fabs(a - b) < 1e-9; }

Test(stats, median_is_the_middle_or_the_mean_of_two)
{
    cr_assert(near(stats_median(SAMPLES(3, 1, 2)), 2));
    cr_assert(near(stats_median(SAMPLES(4, 1, 3, 2)), 2.5));
    cr_assert(near(stats_median((struct samples){0}), 0));
}

/* Type 7 of Hyndman and Fan for 1..4: 1 + 0.25 * 3. */
Test(stats, quantiles_are_interpolated)
{
    cr_assert(near(stats_quantile(SAMPLES(4, 3, 2, 1), 0.25), 1.75));
    cr_assert(near(stats_quantile(SAMPLES(4, 3, 2, 1), 1), 4));
}

/* Quartiles of 1..8 and 100 are 3 and 7: the fences are -3 and 13. */
Test(stats, outliers_are_beyond_the_fences)
{
    struct samples samples = SAMPLES(1, 2, 3, 4, 5, 6, 7, 8, 100);
    cr_assert(stats_outliers(samples) == 1);
    cr_assert(stats_is_outlier(samples, 13.01) && !stats_is_outlier(samples, 12.99));
    cr_assert(stats_outliers(SAMPLES(1, 1, 100)) == 0, "three are too few to tell");
}

Test(stats, geometric_mean_of_a_ratio_and_its_inverse_is_one)
{
    cr_assert(near(stats_geometric_mean(SAMPLES(8, 0.125)), 1));
    cr_assert(near(stats_geometric_mean(SAMPLES(2, 4, 8)), 4));
}

Test(stats, equal_samples_have_an_interval_without_width)
{
    struct estimate e = stats_ratio(SAMPLES(6, 6, 6), SAMPLES(2, 2, 2), 1);
    cr_assert(near(e.value, 3) && near(e.low, 3) && near(e.high, 3) && e.n == 3);
}

/* Of 1000 intervals for medians of 15 normal samples 95 % have to hold the true one; a bootstrap's come near that. */
Test(stats, intervals_hold_the_true_median)
{
    struct random random = random_seeded(7);
    int held = 0;
    for (int trial = 0; trial < 400; trial++) {
        double at[15];
        for (int i = 0; i < 15; i++) {
            at[i] = 100;
            for (int k = 0; k < 12; k++) /* a sum of uniform numbers is nearly normal */
                at[i] += (double)random_below(&random, 1 << 20) / (1 << 20) - 0.5;
        }
        held += stats_includes(stats_median_interval((struct samples){at, 15}, (uint64_t)trial), 100);
    }
    cr_assert(held >= 360 && held <= 396, "%d of 400", held);
}

Test(stats, an_order_has_every_number_once)
{
    struct random random = random_seeded(3);
    size_t order[100], seen[100] = {0};
    random_order(&random, order, 100);
    for (int i = 0; i < 100; i++)
        seen[order[i]]++;
    for (int i = 0; i < 100; i++)
        cr_assert(seen[i] == 1);
}

Test(stats, the_same_seed_gives_the_same_interval)
{
    struct samples samples = SAMPLES(3, 9, 4, 7, 5, 6, 8);
    struct estimate a = stats_median_interval(samples, 5), b = stats_median_interval(samples, 5);
    cr_assert(a.low == b.low && a.high == b.high && a.low < a.high && stats_agree(a, b) == AGREE);
}

/* One sample says nothing about how far the next would be. */
Test(stats, a_single_sample_neither_agrees_nor_differs)
{
    struct estimate one = stats_ratio(SAMPLES(6), SAMPLES(2), 1), same = stats_ratio(SAMPLES(6, 6), SAMPLES(2, 2), 1);
    cr_assert(near(one.value, 3) && one.n == 1 && !stats_has_interval(one));
    cr_assert(stats_agree(one, one) == UNKNOWN && stats_agree(one, same) == UNKNOWN && stats_agree(same, one) == UNKNOWN);
    cr_assert(stats_agree(same, same) == AGREE);
    cr_assert(stats_agree(same, stats_ratio(SAMPLES(8, 8), SAMPLES(2, 2), 1)) == DISAGREE);
}

/* What slows both sides down in the same rounds leaves the ratio as it is. */
Test(stats, what_slows_whole_rounds_down_cancels)
{
    struct estimate e = stats_ratio(SAMPLES(3, 6, 3, 12, 9), SAMPLES(1, 2, 1, 4, 3), 1);
    cr_assert(near(e.value, 3) && near(e.low, 3) && near(e.high, 3));
}

Test(stats, a_round_that_lacks_a_sample_is_none_of_the_pairs)
{
    struct estimate e = stats_ratio(SAMPLES(NAN, 6, 6), SAMPLES(2, NAN, 2), 1);
    cr_assert(near(e.value, 3) && e.n == 1);
    cr_assert(stats_ratio(SAMPLES(NAN, 6), SAMPLES(2, NAN), 1).n == 0);
}

/* Three samples of a normal distribution: Student's interval would hold the true value in 95 of 100, the percentiles of
 * three samples in no more than 75. */
Test(stats, intervals_of_three_samples_are_wide_enough)
{
    struct random random = random_seeded(11);
    int held = 0;
    for (int trial = 0; trial < 400; trial++) {
        double at[3];
        for (int i = 0; i < 3; i++) {
            at[i] = 100;
            for (int k = 0; k < 12; k++)
                at[i] += (double)random_below(&random, 1 << 20) / (1 << 20) - 0.5;
        }
        held += stats_includes(stats_median_interval((struct samples){at, 3}, (uint64_t)trial), 100);
    }
    cr_assert(held >= 350 && held <= 399, "%d of 400", held);
}
