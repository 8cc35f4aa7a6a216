/* From runs to entries: what a program takes on a level, compared with the same program natively. */
#include "lab.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const state_names[STATES] = {"cold", "warm", "steady"};

/* --- samples ------------------------------------------------------------------------------------------ */

static double time_of(const struct run *run, enum clock clock)
{
    return clock == CLOCK_CPU ? run->cpu : clock == CLOCK_HOST ? run->host : run->wall;
}

static double metric_of(const struct run *run, const char *name)
{
    for (int i = 0; i < run->metric_count; i++)
        if (strcmp(run->metrics[i].name, name) == 0)
            return run->metrics[i].value;
    return 0;
}

enum { COLD_ROUND = 0 };

/* Of the rounds after the first, or of the first alone; [r] is of the rth of them, NAN where there is none;
 * malloc'd. metric: its name, or null for the time by a clock. */
static struct samples collect(const struct lab *lab, int level, int program, int size, enum clock clock,
                              const char *metric, bool cold)
{
    size_t rounds = cold ? 1 : (size_t)lab->rounds;
    double *at = malloc((rounds + 1) * sizeof *at);
    if (!at)
        fail("not enough memory");
    for (size_t r = 0; r < rounds; r++)
        at[r] = NAN;
    for (int i = 0; i < lab->run_count; i++) {
        const struct run *run = &lab->runs[i];
        size_t place = cold ? 0 : (size_t)run->round - 1;
        if (run->level != level || run->program != program || run->size != size || run->status != 0 ||
            (run->round == COLD_ROUND) != cold || place >= rounds)
            continue;
        double value = metric ? metric_of(run, metric) : time_of(run, clock);
        if (value > 0)
            at[place] = value;
    }
    return (struct samples){at, rounds};
}

/* Without the rounds that have none; in place. */
static struct samples compact(struct samples samples)
{
    double *at = (double *)samples.at;
    size_t n = 0;
    for (size_t i = 0; i < samples.n; i++)
        if (!isnan(at[i]))
            at[n++] = at[i];
    return (struct samples){at, n};
}

const char *metric_name(const struct lab *lab, int program, int metric)
{
    for (int i = 0; i < lab->run_count; i++) {
        const struct run *run = &lab->runs[i];
        if (run->program == program && run->status == 0 && run->metric_count)
            return metric < run->metric_count ? run->metrics[metric].name : NULL;
    }
    return NULL;
}

/* --- what is wrong ------------------------------------------------------------------------------------ */

static const struct run *any_run(const struct lab *lab, int level, int program, int size, bool failed)
{
    for (int i = 0; i < lab->run_count; i++) {
        const struct run *run = &lab->runs[i];
        if (run->level == level && run->program == program && (size < 0 || run->size == size) &&
            (run->status != 0) == failed)
            return run;
    }
    return NULL;
}

static const char *why_failed(const struct lab *lab, const struct run *run)
{
    char *why = NULL;
    int done = run->status == -1   ? asprintf(&why, "failed: not done after %d s", lab->limit_s)
               : run->status == -2 ? asprintf(&why, "failed: %s", run->why)
               : run->status > 128 ? asprintf(&why, "failed: killed by signal %d%s%s", run->status - 128,
                                              run->why[0] ? ": " : "", run->why)
                                   : asprintf(&why, "failed with status %d%s%s", run->status,
                                              run->why[0] ? ": " : "", run->why);
    return done < 0 ? "failed" : why;
}

/* Whether an output differs from native's of the same size. */
static bool output_differs(const struct lab *lab, int level, int program)
{
    for (int i = 0; i < lab->run_count; i++) {
        const struct run *run = &lab->runs[i];
        if (run->level != level || run->program != program || run->status != 0)
            continue;
        const struct run *native = any_run(lab, NATIVE, program, run->size, false);
        if (native && (native->hash != run->hash || native->bytes != run->bytes))
            return true;
    }
    return false;
}

/* Why a program has no figure on a level; null: it has one. */
static const char *reason(const struct lab *lab, int level, int program)
{
    const char *why;
    if (!job_possible(lab, level, program, &why))
        return why;
    const struct run *failed = any_run(lab, level, program, -1, true);
    if (failed)
        return why_failed(lab, failed);
    if (!any_run(lab, level, program, -1, false))
        return "not run: the time was used up before";
    if (!lab->programs[program].any_output && output_differs(lab, level, program))
        return level == NATIVE ? "its output differs from one run to the next" : "its output differs from native's";
    return NULL;
}

/* --- entries ------------------------------------------------------------------------------------------ */

static uint64_t seed_of(const struct lab *lab, const struct entry *entry)
{
    return lab->seed + (uint64_t)entry->level * 1000003 + (uint64_t)entry->program * 10007 +
           (uint64_t)entry->metric;
}

/* Medians: level large, level small, native large, native small. */
static double steady(const double *medians, size_t groups, const void *context)
{
    (void)groups, (void)context;
    double level = medians[0] - medians[1], native = medians[2] - medians[3];
    return level > 0 && native > 0 ? level / native : 0;
}

static void fill_ratios(const struct lab *lab, struct entry *entry, struct samples own, const char *metric)
{
    const struct level *level = &lab->levels[entry->level];
    bool sized = is_lab_program(&lab->programs[entry->program]);
    int small = level->sizes[0], large = sized ? level->sizes[1] : 100;
    enum clock other = level->clock == CLOCK_WALL ? CLOCK_WALL : CLOCK_CPU;
    uint64_t seed = seed_of(lab, entry);
    struct samples native = collect(lab, NATIVE, entry->program, large, other, metric, false);
    entry->ratio[WARM] = stats_ratio(own, native, seed);
    if (sized && !metric) {
        struct samples own_small =
            collect(lab, entry->level, entry->program, small, level->clock, NULL, false);
        struct samples native_small = collect(lab, NATIVE, entry->program, small, other, NULL, false);
        const struct samples groups[4] = {own, own_small, native, native_small};
        entry->ratio[STEADY] = stats_bootstrap(groups, 4, steady, NULL, seed);
        if (!(entry->ratio[STEADY].value > 0) || entry->ratio[STEADY].low <= 0)
            entry->ratio[STEADY].n = 0; /* the sizes hardly differ: a start only */
    }
    if (!metric) {
        int first = sized ? small : 100;
        struct samples cold = collect(lab, entry->level, entry->program, first, level->clock, NULL, true);
        struct samples theirs = collect(lab, NATIVE, entry->program, first, other, NULL, true);
        entry->ratio[COLD] = stats_ratio(cold, theirs, seed);
    }
}

static double median_rss(const struct lab *lab, int level, int program)
{
    double values[1024];
    size_t n = 0;
    for (int i = 0; i < lab->run_count && n < 1024; i++)
        if (lab->runs[i].level == level && lab->runs[i].program == program && lab->runs[i].status == 0 &&
            lab->runs[i].size ==
                (is_lab_program(&lab->programs[program]) ? lab->levels[level].sizes[1] : 100))
            values[n++] = (double)lab->runs[i].rss;
    return stats_median((struct samples){values, n});
}

/* Whether it was run after the warm-up. */
static bool any_sample(const struct lab *lab, int level, int program, int size)
{
    return compact(collect(lab, level, program, size, CLOCK_WALL, NULL, false)).n > 0;
}

static struct entry make_entry(const struct lab *lab, int level, int program, int metric)
{
    struct entry entry = {.level = level, .program = program, .metric = metric};
    const char *name = metric < 0 ? NULL : metric_name(lab, program, metric);
    entry.missing = reason(lab, level, program);
    if (entry.missing)
        return entry;
    int size = is_lab_program(&lab->programs[program]) ? lab->levels[level].sizes[1] : 100;
    struct samples own = collect(lab, level, program, size, lab->levels[level].clock, name, false);
    entry.samples = compact(collect(lab, level, program, size, lab->levels[level].clock, name, false));
    entry.time = stats_median_interval(own, seed_of(lab, &entry));
    entry.outliers = stats_outliers(entry.samples);
    entry.rss = median_rss(lab, level, program);
    if (!entry.samples.n)
        entry.missing = name && any_sample(lab, level, program, size) ? "the clock there is too coarse for it"
                                                                      : "only its warm-up was run";
    else
        fill_ratios(lab, &entry, own, name);
    if (!entry.missing && level != NATIVE && !entry.ratio[WARM].n)
        entry.missing = "there is no figure of native's to compare it with";
    return entry;
}

static double geometric(const double *medians, size_t groups, const void *context)
{
    const struct estimate *const *ratios = context;
    double logs = 0;
    (void)medians;
    for (size_t i = 0; i < groups; i++)
        logs += log(ratios[i]->value);
    return exp(logs / (double)groups);
}

/* The interval: each program's logarithm spreads as its own percentiles say, one with a single sample as the
 * others do on average, and they are independent. The widening is that of all samples together. */
struct estimate mean_ratio(const struct analysis *a, int level, const char *experiment, enum state state,
                           int *programs)
{
    const struct estimate *ratios[PROGRAMS_MAX];
    double variance = 0;
    size_t n = 0, known = 0, freedom = 0;
    for (int i = 0; i < a->count && n < PROGRAMS_MAX; i++) {
        const struct entry *entry = &a->entries[i];
        const struct program *program = &a->lab->programs[entry->program];
        bool in = experiment ? strcmp(program->experiment, experiment) == 0
                             : !metric_name(a->lab, entry->program, 0);
        if (entry->level != level || entry->metric >= 0 || entry->missing || !in || !entry->ratio[state].n ||
            entry->ratio[state].value <= 0)
            continue;
        const struct estimate *ratio = &entry->ratio[state];
        if (stats_has_interval(*ratio) && ratio->low > 0) {
            variance += pow(log(ratio->high / ratio->low) / 2 / stats_widening(ratio->n), 2);
            freedom += ratio->n - 1;
            known++;
        }
        ratios[n++] = &entry->ratio[state];
    }
    *programs = (int)n;
    if (!n)
        return (struct estimate){0};
    double value = geometric(NULL, n, ratios), spread = 1;
    if (known)
        spread = exp(sqrt(variance / (double)known / (double)n) * stats_widening(freedom + 1));
    return (struct estimate){value, value / spread, value * spread, freedom + 1};
}

struct analysis analyse(const struct lab *lab)
{
    struct analysis a = {.lab = lab};
    size_t room = 0;
    for (int p = 0; p < lab->program_count; p++) {
        int metrics = 0;
        while (metric_name(lab, p, metrics))
            metrics++;
        room += (size_t)(metrics ? metrics : 1) * (size_t)lab->level_count;
    }
    a.entries = calloc(room + 1, sizeof *a.entries);
    if (!a.entries)
        fail("not enough memory");
    for (int p = 0; p < lab->program_count; p++) {
        for (int l = 0; lab->programs[p].chosen && l < lab->level_count; l++) {
            if (!lab->levels[l].chosen)
                continue;
            int metric = metric_name(lab, p, 0) ? 0 : -1;
            do
                a.entries[a.count++] = make_entry(lab, l, p, metric);
            while (metric >= 0 && metric_name(lab, p, ++metric));
        }
    }
    for (int l = 0; l < lab->level_count; l++)
        for (enum state state = 0; state < STATES; state++)
            a.mean[l].ratio[state] = mean_ratio(&a, l, NULL, state, &a.mean[l].programs[state]);
    return a;
}

const struct entry *find_entry(const struct analysis *a, int level, int program, int metric)
{
    for (int i = 0; i < a->count; i++)
        if (a->entries[i].level == level && a->entries[i].program == program &&
            a->entries[i].metric == metric)
            return &a->entries[i];
    return NULL;
}

/* --- two results -------------------------------------------------------------------------------------- */

static void print_difference(const struct lab *lab, const struct entry *one, const struct entry *other)
{
    const char *metric = one->metric < 0 ? "" : metric_name(lab, one->program, one->metric);
    printf("%s on %s %s: %.3f [%.3f, %.3f] and %.3f [%.3f, %.3f]\n", lab->programs[one->program].name,
           lab->levels[one->level].name, metric, one->ratio[WARM].value, one->ratio[WARM].low,
           one->ratio[WARM].high, other->ratio[WARM].value, other->ratio[WARM].low, other->ratio[WARM].high);
}

int compare_results(struct lab *first, struct lab *second)
{
    struct analysis a = analyse(first), b = analyse(second);
    int count[3] = {0};
    for (int i = 0; i < a.count; i++) {
        const struct entry *one = &a.entries[i];
        int level = find_level(second, first->levels[one->level].name);
        int program = find_program(second, first->programs[one->program].name);
        const struct entry *other =
            level < 0 || program < 0 ? NULL : find_entry(&b, level, program, one->metric);
        if (one->level == NATIVE || one->missing || !other || other->missing || !one->ratio[WARM].n ||
            !other->ratio[WARM].n)
            continue;
        enum agreement agreement = stats_agree(one->ratio[WARM], other->ratio[WARM]);
        count[agreement]++;
        if (agreement == DISAGREE)
            print_difference(first, one, other);
    }
    int known = count[AGREE] + count[DISAGREE];
    printf("%d of %d entries agree within their confidence intervals\n", count[AGREE], known);
    if (count[UNKNOWN])
        printf("%d more are unknown: one of the two has a single sample, and no interval\n", count[UNKNOWN]);
    return known ? count[AGREE] * 1000 / known : 0;
}
