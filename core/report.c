/* --report: a thread of xemu's own samples what each guest thread does, and weighs it by the CPU time that the thread had
 * since the sample before. Nothing is measured where the guest runs: a store at each transition is all. */
#include <xemu/report.h>

#include <xemu/guestmem.h>
#include <xemu/log.h>
#include <xemu/options.h>

#include <linux/perf_event.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MAX = 512, INTERVAL_NS = 1000000 };

static struct {
    pthread_mutex_t lock;
    pthread_t sampler;
    clockid_t sampler_clock;
    pid_t pid;         /* whose thread it is */
    int count_fd;      /* of host instructions; -1: not to be had */
    struct slot {
        struct cpu *cpu;
        clockid_t clock;
        uint64_t seen; /* of its CPU time */
    } slots[THREADS_MAX];
    uint64_t parts[PARTS];
} report = {.lock = PTHREAD_MUTEX_INITIALIZER, .count_fd = -1};

static const struct {
    const char *key, *text;
} names[PARTS] = {
#define PART(name, key, text) {key, text},
    REPORT_PARTS(PART)
#undef PART
};

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* With the lock held. */
static void sample(struct slot *slot)
{
    uint64_t now = clock_ns(slot->clock);
    report.parts[slot->cpu->part] += now - slot->seen;
    slot->seen = now;
}

static void *run_sampler(void *unused)
{
    struct timespec interval = {.tv_nsec = INTERVAL_NS};
    for (;;) {
        clock_nanosleep(CLOCK_MONOTONIC, 0, &interval, NULL);
        pthread_mutex_lock(&report.lock);
        for (struct slot *slot = report.slots; slot < report.slots + THREADS_MAX; slot++)
            if (slot->cpu)
                sample(slot);
        pthread_mutex_unlock(&report.lock);
    }
    return unused;
}

/* Instructions of this process and what it starts, in user mode; where perf may not be used there is no such count. */
static int open_count(void)
{
    struct perf_event_attr attr = {
        .type = PERF_TYPE_HARDWARE, .size = sizeof attr, .config = PERF_COUNT_HW_INSTRUCTIONS, .inherit = 1,
        .exclude_kernel = 1, .exclude_hv = 1,
    };
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static void start_sampler(void)
{
    sigset_t all, before;
    report.pid = getpid();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* the guest's signals are not the sampler's */
    if (pthread_create(&report.sampler, NULL, run_sampler, NULL) ||
        pthread_getcpuclockid(report.sampler, &report.sampler_clock))
        die(126, "--report: no thread for samples");
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void report_thread_begin(struct cpu *cpu)
{
    if (options.report == STATS_NONE)
        return;
    bool first = !report.pid;
    if (first) {
        report.count_fd = open_count();
        report.parts[PART_START] = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        start_sampler();
    }
    if (report.pid != getpid()) /* a child that borrows its parent's memory until it executes something */
        return;
    pthread_mutex_lock(&report.lock);
    struct slot *slot = report.slots;
    while (slot->cpu && slot < report.slots + THREADS_MAX - 1)
        slot++;
    cpu->part = PART_DISPATCH;
    pthread_getcpuclockid(pthread_self(), &slot->clock);
    slot->seen = first ? report.parts[PART_START] : 0; /* its start counts, too */
    slot->cpu = cpu;
    pthread_mutex_unlock(&report.lock);
}

void report_thread_end(struct cpu *cpu)
{
    if (options.report == STATS_NONE)
        return;
    pthread_mutex_lock(&report.lock);
    for (struct slot *slot = report.slots; slot < report.slots + THREADS_MAX; slot++) {
        if (slot->cpu == cpu) {
            sample(slot);
            slot->cpu = NULL;
        }
    }
    pthread_mutex_unlock(&report.lock);
}

void report_forked(struct cpu *cpu)
{
    if (options.report == STATS_NONE)
        return;
    pthread_mutex_init(&report.lock, NULL); /* the sampler may have held it */
    memset(report.parts, 0, sizeof report.parts);
    memset(report.slots, 0, sizeof report.slots);
    pthread_getcpuclockid(pthread_self(), &report.slots[0].clock);
    report.slots[0].cpu = cpu;
    start_sampler();
}

/* --- writing ------------------------------------------------------------------------------------------ */

/* Resident memory in bytes: all, and what is not the guest's, which a native process would not have. */
static void count_memory(uint64_t *all, uint64_t *above)
{
    char line[512];
    uint64_t start = 0, end, kib;
    bool ours = false;
    FILE *maps = fopen("/proc/self/smaps", "r");
    *all = *above = 0;
    while (maps && fgets(line, sizeof line, maps)) {
        if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
            ours = !guest_range_contains(start, end);
        else if (sscanf(line, "Rss: %lu kB", &kib) == 1) {
            *all += kib * 1024;
            *above += ours ? kib * 1024 : 0;
        }
    }
    if (maps)
        fclose(maps);
}

static void write_json(uint64_t whole, const struct report_code *code, uint64_t host)
{
    char text[1800];
    uint64_t all, above;
    size_t n = (size_t)snprintf(text, sizeof text, "{\"pid\": %d, \"whole_ns\": %lu, \"parts_ns\": {", (int)report.pid, whole);
    count_memory(&all, &above);
    for (int i = 0; i < PARTS; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s\"%s\": %lu", i ? ", " : "", names[i].key, report.parts[i]);
    n += (size_t)snprintf(text + n, sizeof text - n,
                          "}, \"counts\": {\"blocks\": %lu, \"guest_instructions_compiled\": %lu, \"host_bytes\": %lu, "
                          "\"expansion\": %.3f, \"cache_bytes_used\": %lu, \"resident_bytes\": %lu, "
                          "\"resident_bytes_above_native\": %lu",
                          code->blocks, code->guest_instructions, code->host_bytes,
                          code->guest_instructions ? (double)code->host_bytes / 4 / (double)code->guest_instructions : 0,
                          code->cache_bytes, all, above);
    if (host)
        n += (size_t)snprintf(text + n, sizeof text - n, ", \"host_instructions\": %lu", host);
    log_printf("%s}}\n", text);
}

static void write_text(uint64_t whole, const struct report_code *code, uint64_t host)
{
    uint64_t all, above, sum = 0;
    count_memory(&all, &above);
    for (int i = 0; i < PARTS; i++) {
        log_printf("%10.3f ms %5.1f %%  %s\n", (double)report.parts[i] / 1e6,
                   whole ? 100.0 * (double)report.parts[i] / (double)whole : 0, names[i].text);
        sum += report.parts[i];
    }
    log_printf("%10.3f ms CPU time in all; the parts are %.1f %% of it\n", (double)whole / 1e6,
               whole ? 100.0 * (double)sum / (double)whole : 0);
    log_printf("%10lu guest instructions compiled, %.2f bytes of code for each byte; %lu KiB of code\n",
               code->guest_instructions,
               code->guest_instructions ? (double)code->host_bytes / 4 / (double)code->guest_instructions : 0,
               code->cache_bytes / 1024);
    log_printf("%10.1f MiB resident, %.1f of them not the guest's\n", (double)all / 1048576, (double)above / 1048576);
    if (host)
        log_printf("%10lu host instructions\n", host);
}

void report_write(void)
{
    uint64_t host = 0;
    struct report_code code = {0};
    if (options.report == STATS_NONE || report.pid != getpid())
        return;
    pthread_mutex_lock(&report.lock); /* for good */
    for (struct slot *slot = report.slots; slot < report.slots + THREADS_MAX; slot++)
        if (slot->cpu)
            sample(slot);
    uint64_t whole = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - clock_ns(report.sampler_clock);
    if (report.count_fd >= 0 && read(report.count_fd, &host, sizeof host) != sizeof host)
        host = 0;
    jit_report_code(&code);
    (options.report == STATS_JSON ? write_json : write_text)(whole, &code, host);
}
