/* The plan: every program on every level, in every size, once a round; each round in an order of its own, so
 * that what changes slowly on the machine hits all alike. */
#include "lab.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

volatile sig_atomic_t interrupted;

bool job_possible(const struct lab *lab, int level, int program, const char **why)
{
    const struct level *on = &lab->levels[level];
    const struct program *what = &lab->programs[program];
    *why = on->missing ? on->missing : what->missing;
    if (!*why && !is_lab_program(what) && !on->real)
        *why = "this level runs the lab's own programs only";
    return !*why;
}

static void add_job(struct job *jobs, int *count, struct job job)
{
    for (int i = 0; i < *count; i++)
        if (jobs[i].level == job.level && jobs[i].program == job.program && jobs[i].size == job.size)
            return;
    jobs[(*count)++] = job;
}

/* Native runs every size that another level runs. */
struct job *plan_jobs(const struct lab *lab, int *count)
{
    struct job *jobs = calloc((size_t)lab->level_count * (size_t)lab->program_count * 4 + 1, sizeof *jobs);
    const char *why;
    if (!jobs)
        fail("not enough memory");
    *count = 0;
    for (int p = 0; p < lab->program_count; p++) {
        int first = *count; /* programs don't share jobs */
        for (int l = 0; lab->programs[p].chosen && l < lab->level_count; l++) {
            if (!lab->levels[l].chosen || !job_possible(lab, l, p, &why))
                continue;
            for (int s = 0; s < SIZES; s++) {
                int size = lab->levels[l].sizes[s];
                if (!is_lab_program(&lab->programs[p])) /* has one size: the large one's place */
                    size = 100;
                int own = *count - first;
                add_job(jobs + first, &own, (struct job){l, p, size});
                if (job_possible(lab, NATIVE, p, &why))
                    add_job(jobs + first, &own, (struct job){NATIVE, p, size});
                *count = first + own;
            }
        }
    }
    return jobs;
}

static bool is_done(const struct lab *lab, const struct job *job, int round)
{
    for (int i = 0; i < lab->run_count; i++) {
        const struct run *run = &lab->runs[i];
        if (run->round == round && run->level == job->level && run->program == job->program &&
            run->size == job->size)
            return true;
    }
    return false;
}

/* A program that failed on a level will fail again: it is not asked twice. */
static bool has_failed(const struct lab *lab, const struct job *job)
{
    for (int i = 0; i < lab->run_count; i++) {
        const struct run *run = &lab->runs[i];
        if (run->level == job->level && run->program == job->program && run->status != 0)
            return true;
    }
    return false;
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Which of the two sizes that a level runs; native runs those of all levels. */
static bool is_small(const struct lab *lab, const struct job *job)
{
    for (int l = 0; l < lab->level_count; l++)
        if (lab->levels[l].sizes[0] == job->size && (l == job->level || job->level == NATIVE))
            return true;
    return false;
}

/* The first round warms up, for which the small size will do. */
static bool is_due(const struct lab *lab, const struct job *job, int round)
{
    return round > 0 || !is_lab_program(&lab->programs[job->program]) || is_small(lab, job);
}

/* --- progress ----------------------------------------------------------------------------------------- */

static struct {
    double started, saved, shown;
    int done, all;  /* jobs, of this process's share */
    double round_s; /* what the last whole round took */
} progress;

static void show(const struct lab *lab, const struct job *job, int round)
{
    double now = seconds();
    bool terminal = isatty(2);
    if (now - progress.shown < (terminal ? 0.2 : 15))
        return;
    progress.shown = now;
    double spent = now - progress.started;
    double left = progress.done ? spent / progress.done * (progress.all - progress.done) : 0;
    double most = lab->budget_s - lab->spent_s - spent;
    left = left > most && most > 0 ? most : left;
    fprintf(stderr, "lab: round %d of %d, run %d of %d, %d:%02d left: %s on %s%s", round, lab->rounds,
            progress.done + 1, progress.all, (int)left / 60, (int)left % 60, lab->programs[job->program].name,
            lab->levels[job->level].name, terminal ? "\033[K\r" : "\n");
}

static void save_sometimes(struct lab *lab)
{
    double now = seconds();
    if (now - progress.saved < 10)
        return;
    progress.saved = now;
    store_save(lab);
}

/* --- the loop ----------------------------------------------------------------------------------------- */

static bool run_round(struct lab *lab, const struct job *jobs, int count, int round)
{
    size_t *order = calloc((size_t)count + 1, sizeof *order);
    struct random random = random_seeded(lab->seed * 1000 + (uint64_t)round);
    const char *why;
    struct run run;
    if (!order)
        fail("not enough memory");
    random_order(&random, order, (size_t)count);
    for (int i = 0; i < count && !interrupted; i++) {
        const struct job *job = &jobs[order[i]];
        if (is_due(lab, job, round) && !is_done(lab, job, round) && !has_failed(lab, job) &&
            job_possible(lab, job->level, job->program, &why)) {
            show(lab, job, round);
            if (!is_lab_program(&lab->programs[job->program]))
                inputs_check();
            if (!agents_run(lab, job->level, job->program, job->size, &run))
                break;
            run.round = round;
            run.number = lab->run_count;
            add_run(lab, &run);
            save_sometimes(lab);
        }
        progress.done++;
    }
    free(order);
    return !interrupted;
}

static bool has_time_for_round(const struct lab *lab)
{
    double spent = lab->spent_s + seconds() - progress.started;
    return spent + progress.round_s * 1.1 <= lab->budget_s;
}

bool plan_run(struct lab *lab)
{
    int count;
    struct job *jobs = plan_jobs(lab, &count);
    double spent_before = lab->spent_s;
    progress.started = progress.saved = seconds();
    progress.all = count * (lab->rounds + 1 - lab->rounds_done);
    /* Round 0 warms up: what it measures is the cold state. */
    for (int round = lab->rounds_done; round <= lab->rounds && !interrupted; round++) {
        double began = seconds();
        if (round > 2 && !has_time_for_round(lab)) {
            fprintf(stderr, "lab: the time is used up after %d of %d rounds\n", round - 1, lab->rounds);
            break;
        }
        if (run_round(lab, jobs, count, round))
            lab->rounds_done = round + 1;
        progress.round_s = seconds() - began;
    }
    lab->spent_s = spent_before + seconds() - progress.started;
    lab->finished = !interrupted;
    free(jobs);
    return !interrupted;
}
