/* Agents: one for each launcher, the script that makes a machine, a container or nothing, and starts
 * benchmarks/overhead/ agent.c in it. They are started at the beginning and wait, idle, for their turns. */
#include "lab.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { AGENTS_MAX = LEVELS_MAX, TEXT_MAX = 8192 };

static struct agent {
    const char *launcher;
    pid_t pid;
    int to, from;
    char text[TEXT_MAX]; /* what has come and is no whole line yet */
    size_t used;
    char *log; /* where its complaints go */
    bool ready;
    char said[200]; /* the last line without "lab:": a console's */
} agents[AGENTS_MAX];
static int agent_count;

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* --- start -------------------------------------------------------------------------------------------- */

static void pin(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (cpu >= 0)
        sched_setaffinity(0, sizeof set, &set);
}

/* In the child. Where that is allowed a level has processes and mounts of its own, and nothing of it survives
 * it. */
static _Noreturn void become(const struct agent *agent, int in, int out, int cpu)
{
    char *words[WORDS_MAX + 8] = {"unshare", "--pid", "--mount", "--fork", "--mount-proc", "--kill-child"};
    char command[PATH_MAX];
    int n = geteuid() == 0 ? 6 : 0;
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(in, 0);
    dup2(out, 1);
    dup2(open(agent->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), 2);
    pin(cpu);
    snprintf(command, sizeof command, "benchmarks/overhead/levels/%s", agent->launcher);
    n += split_words(strchr(agent->launcher, '/') ? agent->launcher : command, words + n, WORDS_MAX);
    words[n] = NULL;
    execvp(words[0], words);
    dprintf(1, "lab:missing %s: %s\n", words[0], strerror(errno));
    _exit(3);
}

static void start(struct agent *agent, int cpu)
{
    int there[2], back[2];
    if (pipe2(there, O_CLOEXEC) || pipe2(back, O_CLOEXEC))
        fail("no pipes: %s", strerror(errno));
    agent->pid = fork();
    if (agent->pid < 0)
        fail("fork: %s", strerror(errno));
    if (agent->pid == 0)
        become(agent, there[0], back[1], cpu);
    close(there[0]);
    close(back[1]);
    agent->to = there[1];
    agent->from = back[0];
}

static void stop(struct agent *agent)
{
    int status;
    if (!agent->pid)
        return;
    close(agent->to);
    for (int tenth = 0; tenth < 30; tenth++) { /* who hears that there is nothing more to do ends by itself */
        if (waitpid(agent->pid, &status, WNOHANG) != 0)
            break;
        if (tenth == 20)
            kill(-agent->pid, SIGTERM);
        if (tenth == 29) {
            kill(-agent->pid, SIGKILL);
            waitpid(agent->pid, &status, 0);
        }
        poll(NULL, 0, 100);
    }
    close(agent->from);
    agent->pid = 0;
    agent->ready = false;
}

void agents_stop(void)
{
    for (int i = 0; i < agent_count; i++)
        if (agents[i].pid)
            close(dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), agents[i].to)); /* all at once */
    for (int i = 0; i < agent_count; i++)
        stop(&agents[i]);
}

/* --- lines -------------------------------------------------------------------------------------------- */

/* The next line of the agent's into line[size], what is before "lab:" left out. 1: there is one, 0: not until
 * the deadline, -1: it has ended, -2: interrupted. */
static int read_line(struct agent *agent, double deadline, char *line, size_t size)
{
    for (;;) {
        char *end = memchr(agent->text, '\n', agent->used);
        if (end) {
            *end = 0;
            char *start = strstr(agent->text, "lab:");
            snprintf(line, size, "%s", start ? start : "");
            line[strcspn(line, "\r")] = 0;
            if (!start && agent->text[0])
                snprintf(agent->said, sizeof agent->said, "%.150s", agent->text);
            agent->used -= (size_t)(end + 1 - agent->text);
            memmove(agent->text, end + 1, agent->used);
            if (start)
                return 1;
            continue;
        }
        if (agent->used == TEXT_MAX)
            agent->used = 0;
        struct pollfd wait = {.fd = agent->from, .events = POLLIN};
        double left = (deadline - now_ns()) / 1e6;
        int ready = poll(&wait, 1, left > 1000 ? 1000 : left > 0 ? (int)left + 1 : 0);
        if (interrupted)
            return -2;
        if (ready <= 0 && left <= 0) /* what is there is read, even when others have used up the time */
            return 0;
        if (ready <= 0)
            continue;
        ssize_t n = read(agent->from, agent->text + agent->used, TEXT_MAX - agent->used);
        if (n <= 0)
            return -1;
        agent->used += (size_t)n;
    }
}

/* The last line of its complaints, or of its console; malloc'd. */
static char *last_words(const struct agent *agent)
{
    char line[300], last[300] = "", *made = NULL;
    FILE *log = fopen(agent->log, "r");
    while (log && fgets(line, sizeof line, log))
        if (line[strspn(line, " \n\r")])
            snprintf(last, sizeof last, "%.200s", line);
    if (log)
        fclose(log);
    last[strcspn(last, "\n\r")] = 0;
    for (char *c = last; *c; c++)
        if (*c < ' ')
            *c = ' ';
    const char *words = last[0] ? last : agent->said;
    return asprintf(&made, "%s%s", words[0] ? "; its last words: " : "", words) < 0 ? "" : made;
}

/* --- CPU time of a level, as the host counts it --------------------------------------------------------- */

/* Nanoseconds of a living process and of its children that have ended. */
static double process_ns(pid_t pid, pid_t *parent)
{
    char path[64], text[1024];
    unsigned long user = 0, system = 0;
    struct timespec used = {0};
    clockid_t clock;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    *parent = 0;
    if (n <= 0)
        return 0;
    text[n] = 0;
    char *after = strrchr(text, ')');
    int ppid = 0;
    if (after)
        sscanf(after + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %lu %lu", &ppid, &user,
               &system);
    *parent = ppid;
    if (clock_getcpuclockid(pid, &clock) == 0)
        clock_gettime(clock, &used);
    return (double)used.tv_sec * 1e9 + (double)used.tv_nsec +
           (double)(user + system) * 1e9 / (double)sysconf(_SC_CLK_TCK);
}

/* Of the process and all its descendants. */
static double tree_ns(pid_t root)
{
    enum { MANY = 4096 };
    static struct {
        pid_t pid, parent;
        double ns;
        bool in;
    } all[MANY];
    int n = 0;
    DIR *entries = opendir("/proc");
    for (struct dirent *entry; entries && n < MANY && (entry = readdir(entries));) {
        pid_t pid = atoi(entry->d_name);
        if (pid <= 0)
            continue;
        all[n].pid = pid;
        all[n].ns = process_ns(pid, &all[n].parent);
        all[n].in = pid == root;
        n++;
    }
    if (entries)
        closedir(entries);
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < n; i++)
            for (int j = 0; !all[i].in && j < n; j++)
                if (all[j].in && all[j].pid == all[i].parent)
                    more = all[i].in = true;
    }
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += all[i].in ? all[i].ns : 0;
    return sum;
}

/* --- waiting for it ----------------------------------------------------------------------------------- */

/* Waits for the agent, longer where others use the processor; returns null, or why there is none, malloc'd. */
static const char *await(struct agent *agent, const char **kernel, int boot_s)
{
    enum { SLOWER = 4 /* what others may leave of the processor */ };
    char line[600], *why = NULL;
    double started = now_ns();
    int got;
    do
        got = read_line(agent, now_ns() + boot_s * 1e9, line, sizeof line);
    while (got == 0 && tree_ns(agent->pid) < boot_s * 0.8e9 && now_ns() - started < SLOWER * boot_s * 1e9);
    if (got == 1 && strncmp(line, "lab:ready ", 10) == 0) {
        *kernel = strdup(line + 10);
        agent->ready = true;
        return NULL;
    }
    if (got == 1)
        why = strdup(strncmp(line, "lab:missing ", 12) == 0 ? line + 12 : line);
    else if (got == 0 &&
             asprintf(&why, "it did not come up within %.0f seconds%s", (now_ns() - started) / 1e9, last_words(agent)) < 0)
        why = NULL;
    else if (got == -2)
        why = strdup("the lab was interrupted before it was there");
    else if (got < 0 && asprintf(&why, "it ended while it started%s", last_words(agent)) < 0)
        why = NULL;
    stop(agent);
    return why ? why : "it did not start";
}

/* Why the emulator in front of the programs is not there, or null. */
static const char *missing_prefix(const struct level *level)
{
    char *words[WORDS_MAX], *why = NULL;
    if (!level->prefix[0] || level->missing)
        return NULL;
    if (split_words(expand_names(level->prefix), words, WORDS_MAX) && strchr(words[0], '/') &&
        access(words[0], X_OK))
        return asprintf(&why, "%s is not there", words[0]) < 0 ? "it is not there" : why;
    return NULL;
}

static int agent_for(struct lab *lab, const char *launcher)
{
    for (int i = 0; i < agent_count; i++)
        if (strcmp(agents[i].launcher, launcher) == 0)
            return i;
    struct agent *agent = &agents[agent_count];
    *agent = (struct agent){.launcher = launcher};
    if (asprintf(&agent->log, "%s/logs/%s", lab->folder, launcher) < 0)
        fail("not enough memory");
    for (char *c = strstr(agent->log, "/logs/") + 6; *c; c++)
        if (*c == ' ' || *c == '/')
            *c = '-';
    return agent_count++;
}

void agents_start(struct lab *lab, int boot_s)
{
    char logs[PATH_MAX];
    const char *why[AGENTS_MAX] = {0}, *kernel[AGENTS_MAX] = {0};
    snprintf(logs, sizeof logs, "%s/logs", lab->folder);
    mkdir(logs, 0777);
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < lab->level_count; i++) {
        struct level *level = &lab->levels[i];
        if (!level->missing)
            level->missing = missing_prefix(level);
        if (level->chosen && !level->missing)
            level->agent = agent_for(lab, level->launcher);
    }
    for (int i = 0; i < agent_count && !interrupted; i++) {
        fprintf(stderr, "lab: waiting for %-30s\r", agents[i].launcher);
        start(&agents[i], lab->cpu); /* one after the other: they share a processor */
        why[i] = await(&agents[i], &kernel[i], boot_s);
    }
    for (int i = 0; i < lab->level_count; i++) {
        struct level *level = &lab->levels[i];
        if (level->agent < 0)
            continue;
        if (why[level->agent])
            level->missing = why[level->agent];
        if (!level->version)
            level->version = kernel[level->agent];
        if (level->missing)
            fprintf(stderr, "lab: %s is missing: %s\n", level->name, level->missing);
    }
}

/* --- a run -------------------------------------------------------------------------------------------- */

/* The command, as the agent wants it; malloc'd. */
static char *command_of(const struct lab *lab, const struct level *level, const struct program *program,
                        int size)
{
    char *words[WORDS_MAX], *line = NULL, here[PATH_MAX] = "";
    size_t length;
    FILE *out = open_memstream(&line, &length);
    bool on_host = strcmp(level->launcher, "host.sh") == 0, native = !level->prefix[0];
    if (!out || !getcwd(here, sizeof here))
        fail("not enough memory");
    bool in_tree = on_host && native && !is_lab_program(program);
    fprintf(out, "run\t%d\t%s%s", lab->limit_s, in_tree ? here : "-", in_tree ? "/build/sysroot-amd64" : "");
    int n = split_words(expand_names(level->prefix), words, WORDS_MAX);
    for (int i = 0; i < n; i++)
        fprintf(out, "\t%s", words[i]);
    if (is_lab_program(program)) {
        fprintf(out, "\t%s%s%s/%s\t%d\n", on_host ? here : "/lab", on_host ? "/build/lab/" : "",
                on_host ? level->arch : "", program->name, size);
    } else {
        n = command_words(program, native ? "amd64" : "arm64", words, WORDS_MAX);
        fprintf(out, "\t%s%s", native ? "" : here, native ? "" : "/build/sysroot-arm64");
        for (int i = 0; i < n; i++)
            fprintf(out, "%s%s", i ? "\t" : "", words[i]);
        putc('\n', out);
    }
    fclose(out);
    return line;
}

static void take_metric(struct run *run, const char *text)
{
    char name[40], unit[16];
    double value;
    if (sscanf(text, "%39s %lf %15s", name, &value, unit) == 3)
        add_metric(run, name, value);
}

static void take_result(struct run *run, const char *text)
{
    int at = 0;
    sscanf(text, "%d %lf %lf %ld %" SCNu64 " %" SCNx64 " %n", &run->status, &run->wall, &run->cpu, &run->rss,
           &run->bytes, &run->hash, &at);
    snprintf(run->why, sizeof run->why, "%.150s", at ? text + at : "");
}

bool agents_run(struct lab *lab, int level, int program, int size, struct run *run)
{
    struct level *on = &lab->levels[level];
    struct agent *agent = &agents[on->agent];
    char *command = command_of(lab, on, &lab->programs[program], size), line[600];
    bool host = on->clock == CLOCK_HOST;
    *run = (struct run){.level = level, .program = program, .size = size, .status = -2};
    double before = host ? tree_ns(agent->pid) : 0, started = now_ns();
    if (write(agent->to, command, strlen(command)) < 0)
        snprintf(run->why, sizeof run->why, "the level has ended");
    free(command);
    double deadline = started + (lab->limit_s + 10) * 1e9;
    int got;
    while ((got = read_line(agent, deadline, line, sizeof line)) == 1 &&
           strncmp(line, "lab:metric ", 11) == 0)
        take_metric(run, line + 11);
    if (got == 1)
        take_result(run, line + strcspn(line, " "));
    if (got == -2) {
        free(run->metrics);
        return false;
    }
    if (host) {
        run->host = tree_ns(agent->pid) - before;
        run->wall = now_ns() - started;
    }
    if (got != 1) {
        snprintf(run->why, sizeof run->why,
                 got ? "the level ended during this run" : "the level does not answer");
        on->missing = strdup(run->why);
        stop(agent);
    }
    return true;
}
