/* --report: what the sampler sees each guest thread do, summed up. At each transition the guest's thread
 * stores what it does: that is all that it costs there. */
#include <xemu/report.h>
#include "family.h"
#include "resident.h"

#include <xemu/log.h>
#include <xemu/options.h>
#include <xemu/profile.h>
#include <xemu/sampler.h>

#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    pid_t pid;    /* which is reported */
    int count_fd; /* of host instructions; -1: not to be had */
    uint64_t parts[PARTS];
    uint64_t children_ns;    /* what looks have seen of forked children */
    uint64_t unlooked_ns;    /* behind the last look at a thread */
    uint64_t weights[PARTS]; /* by which CPU time that no look has seen is divided */
} report = {.count_fd = -1};

static const struct {
    const char *key, *text;
} names[PARTS] = {
#define PART(name, key, text) {key, text},
    REPORT_PARTS(PART)
#undef PART
};

/* What runs has had a processor for as long as it takes from one look to the next, on average: no matter how much of
 * that was its own if it is new. A first look stands for no more than that. */
void report_look(unsigned part, uint64_t ns, bool first, bool child)
{
    enum { INTERVAL = 4000000 };
    uint64_t seen = first && ns > INTERVAL ? INTERVAL : ns;
    report.parts[part] += seen;
    report.unlooked_ns += ns - seen;
    report.children_ns += child ? ns : 0;
    report.weights[part] += first || ns > INTERVAL ? INTERVAL : ns;
}

uint64_t report_children_ns(void) { return report.children_ns; }

void report_unlooked(uint64_t ns) { report.unlooked_ns += ns; }

/* Instructions of this process and what it starts, in user mode; where perf may not be used there is no such
 * count. */
static int open_count(void)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_HARDWARE,
        .size = sizeof attr,
        .config = PERF_COUNT_HW_INSTRUCTIONS,
        .inherit = 1,
        .exclude_kernel = 1,
        .exclude_hv = 1,
    };
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

void report_begin(void)
{
    if (options.report == STATS_NONE || report.pid)
        return;
    report.pid = getpid();
    report.count_fd = open_count();
    family_begin();
}

void report_forked(void)
{
    if (options.report != STATS_NONE)
        profile_forked();
}

uint64_t report_go_on(void)
{
    uint64_t had = family_leave(!family_orphan());
    report.pid = getpid();
    report.children_ns = report.unlooked_ns = 0;
    memset(report.parts, 0, sizeof report.parts);
    memset(report.weights, 0, sizeof report.weights);
    family_begin();
    return had;
}

/* --- writing ------------------------------------------------------------------------------------------ */

/* All that is written, but for the parts. */
struct figures {
    uint64_t processes; /* forked children */
    uint64_t looking;   /* CPU time of the sampler, in none of the parts */
    uint64_t whole, memory, memory_above;
    uint64_t guest, host; /* instructions that ran; 0: not counted */
    const char *host_by;  /* who counted the latter */
    struct report_code code;
};

static double ratio(uint64_t a, uint64_t b) { return b ? (double)a / (double)b : 0; }

/* Bytes of code for each byte of the guest's. */
static double static_expansion(const struct figures *f)
{
    return ratio(f->code.host_bytes, f->code.guest_instructions * 4);
}

static void write_json(const struct figures *f)
{
    char text[1900];
    const char *comma = "";
    size_t n = (size_t)snprintf(text, sizeof text, "{\"pid\": %d, \"whole_ns\": %lu, \"looking_ns\": %lu, \"forked_processes\": %lu, \"parts_ns\": {",
                                (int)report.pid, f->whole, f->looking, f->processes);
    for (int i = 0; i < PARTS; i++, comma = ", ")
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"%s\": %lu", comma, names[i].key,
                              report.parts[i]);
    n += (size_t)snprintf(
        text + n, sizeof text - n,
        "}, \"counts\": {\"blocks\": %lu, \"guest_instructions_compiled\": %lu, \"host_bytes\": %lu, "
        "\"expansion\": %.3f, \"cache_bytes_used\": %lu, \"resident_bytes\": %lu, "
        "\"resident_bytes_above_native\": %lu",
        f->code.blocks, f->code.guest_instructions, f->code.host_bytes, static_expansion(f),
        f->code.cache_bytes, f->memory, f->memory_above);
    if (f->guest)
        n += (size_t)snprintf(text + n, sizeof text - n, ", \"guest_instructions\": %lu", f->guest);
    if (f->host)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              ", \"host_instructions\": %lu, \"host_instructions_by\": \"%s\"", f->host,
                              f->host_by);
    if (f->guest && f->host)
        n += (size_t)snprintf(text + n, sizeof text - n, ", \"instruction_expansion\": %.3f",
                              ratio(f->host, f->guest));
    log_printf("%s}}\n", text);
}

static void write_text(const struct figures *f)
{
    char *text = NULL;
    size_t size;
    uint64_t sum = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return;
    for (int i = 0; i < PARTS; i++) {
        fprintf(out, "%10.3f ms %5.1f %%  %s\n", (double)report.parts[i] / 1e6, 100 * ratio(report.parts[i], f->whole),
                names[i].text);
        sum += report.parts[i];
    }
    fprintf(out, "%10.3f ms CPU time in all; the parts are %.1f %% of it\n", (double)f->whole / 1e6,
            100 * ratio(sum, f->whole));
    fprintf(out, "%10.3f ms more to look at it\n", (double)f->looking / 1e6);
    if (f->processes)
        fprintf(out, "%10lu forked processes are in it\n", f->processes);
    fprintf(out, "%10lu guest instructions compiled, %.2f bytes of code for each byte; %lu KiB of code\n",
            f->code.guest_instructions, static_expansion(f), f->code.cache_bytes / 1024);
    fprintf(out, "%10.1f MiB resident, %.1f of them not the guest's\n", (double)f->memory / 1048576,
            (double)f->memory_above / 1048576);
    if (f->guest)
        fprintf(out, "%10lu guest instructions run\n", f->guest);
    if (f->host)
        fprintf(out, "%10lu host instructions run, as %s counts\n", f->host, f->host_by);
    if (f->guest && f->host)
        fprintf(out, "%10.2f host instructions for each of the guest's\n", ratio(f->host, f->guest));
    fclose(out);
    log_printf("%s", text);
    free(text);
}

/* perf counts everything that the process does, counters too: it is not asked where there are some. */
static void count_instructions(struct figures *f)
{
    if (options.report_counts) {
        profile_totals(&f->guest, &f->host);
        f->host_by = "xemu";
    } else if (report.count_fd >= 0 && read(report.count_fd, &f->host, sizeof f->host) == sizeof f->host) {
        f->host_by = "perf";
    } else {
        f->host = 0;
    }
}

/* What was over before a look, or had CPU time behind the last one, did what looks at such processes found. */
static void divide(uint64_t unlooked_ns)
{
    uint64_t weights = 0, divided = 0;
    for (int i = 0; i < PARTS; i++)
        weights += report.weights[i];
    for (int i = 0; i < PARTS && weights; i++) {
        uint64_t share = (uint64_t)((double)unlooked_ns * (double)report.weights[i] / (double)weights);
        report.parts[i] += share;
        divided += share;
    }
    report.parts[PART_UNSEEN] += unlooked_ns > divided ? unlooked_ns - divided : 0;
}

void report_write(void)
{
    struct figures f = {0};
    if (options.report == STATS_NONE)
        return;
    if (report.pid != getpid()) {
        family_leave(true);
        return;
    }
    sampler_stop();
    struct family_sums children = family_end();
    f.processes = children.processes;
    f.looking = sampler_own_ns();
    f.whole = sampler_whole_ns();
    report.parts[PART_START] = sampler_start_ns();
    uint64_t unseen = sampler_unseen_ns(f.whole), brief = sampler_brief_ns();
    brief = brief < unseen ? brief : unseen;
    report.parts[PART_UNSEEN] = unseen - brief;
    divide(report.unlooked_ns + brief + children.unlooked_ns);
    f.whole += report.children_ns + children.unlooked_ns;
    count_instructions(&f);
    f.guest += children.guest;
    f.host += options.report_counts ? children.host : 0;
    count_resident(&f.memory, &f.memory_above);
    jit_report_code(&f.code);
    (options.report == STATS_JSON ? write_json : write_text)(&f);
}
