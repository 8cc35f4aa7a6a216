/* Runs programs and says what they took: inside a container, a virtual machine, or on the machine itself.
 * Small and static, so that it runs everywhere and so that a program's memory is not shadowed by its
 * starter's.
 *
 * It reads commands from its standard input and answers on its standard output, in lines; what does not begin
 * with "lab:" is the console's noise:
 *
 *   lab:ready RELEASE                                   it is there, on this kernel
 *   run <tab> SECONDS <tab> ROOT <tab> PATH <tab> ARGUMENT...
 *   lab:metric NAME VALUE UNIT                          for each line "@NAME VALUE UNIT" that the program
 * printed lab:done STATUS WALL CPU RSS BYTES HASH WHY         nanoseconds of CLOCK_MONOTONIC, nanoseconds of
 * CPU time of the program and its children, KiB; 64-bit FNV-1a of the rest of the output; the last line of
 * its complaints
 *
 * ROOT: a directory to make the root of the file system, or "-". A program that takes longer than SECONDS is
 * killed: status -1. Started as the first process of a machine it mounts what programs need. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { LINE_MAX_ = 8192, ARGUMENTS = 64, CHUNK = 65536 };

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- output of a program ------------------------------------------------------------------------------ */

struct output {
    uint64_t hash, bytes;
    char line[256]; /* a line that begins with @, as far as it is there */
    size_t used;
    bool at_start, metric;
};

static void add_byte(struct output *out, char c)
{
    if (out->at_start)
        out->metric = c == '@';
    out->at_start = c == '\n';
    if (!out->metric) {
        out->hash = (out->hash ^ (uint8_t)c) * 1099511628211u;
        out->bytes++;
        return;
    }
    if (c != '\n' && out->used + 1 < sizeof out->line) {
        out->line[out->used++] = c;
        return;
    }
    if (c == '\n') {
        printf("lab:metric %.*s\n", (int)out->used - 1, out->line + 1);
        out->used = 0;
    }
}

static bool read_output(int fd, struct output *out)
{
    static char chunk[CHUNK];
    ssize_t n = read(fd, chunk, sizeof chunk);
    for (ssize_t i = 0; i < n; i++)
        add_byte(out, chunk[i]);
    return n > 0;
}

/* --- one run ------------------------------------------------------------------------------------------ */

struct request {
    int seconds;
    const char *root;
    char *argv[ARGUMENTS + 1];
};

static void enter_root(const char *root)
{
    if (strcmp(root, "-") == 0)
        return;
    if (chroot(root) && (unshare(CLONE_NEWUSER) || chroot(root))) {
        fprintf(stderr, "no right to change the root directory to %s: %s\n", root, strerror(errno));
        _exit(125);
    }
    if (chdir("/")) {
        perror("chdir");
        _exit(125);
    }
}

static void start(const struct request *request, int out, int complaints)
{
    setpgid(0, 0);
    dup2(open("/dev/null", O_RDONLY), 0);
    dup2(out, 1);
    dup2(complaints, 2);
    enter_root(request->root);
    execv(request->argv[0], request->argv);
    fprintf(stderr, "%s: %s\n", request->argv[0], strerror(errno));
    _exit(127);
}

/* The last line of the complaints that has something, into why[]. */
static void last_line(int fd, char *why, size_t size)
{
    char text[1024];
    off_t length = lseek(fd, 0, SEEK_END);
    off_t from = length > (off_t)sizeof text - 1 ? length - (off_t)sizeof text + 1 : 0;
    ssize_t n = pread(fd, text, sizeof text - 1, from);
    text[n > 0 ? n : 0] = 0;
    for (char *end; (end = strrchr(text, '\n')) && !end[1];)
        *end = 0;
    char *line = strrchr(text, '\n');
    snprintf(why, size, "%.*s", (int)size - 1, line ? line + 1 : text);
    for (char *c = why; *c; c++)
        if (*c < ' ')
            *c = ' ';
}

/* Reads until the program has closed its output; false: its time is over. */
static bool follow(int fd, uint64_t deadline, struct output *out)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    for (;;) {
        uint64_t now = now_ns();
        if (now >= deadline)
            return false;
        int ready = poll(&wait, 1, (int)((deadline - now) / 1000000) + 1);
        if (ready > 0 && !read_output(fd, out))
            return true;
    }
}

static uint64_t cpu_ns(const struct rusage *usage)
{
    return (uint64_t)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) * 1000000000 +
           (uint64_t)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) * 1000;
}

static void run(const struct request *request)
{
    struct output out = {.hash = 14695981039346656037u, .at_start = true};
    struct rusage usage = {0};
    char why[200] = "";
    int ends[2], status = 0;
    int complaints = memfd_create("complaints", 0); /* kept over exec: the program's standard error */
    if (pipe2(ends, O_CLOEXEC) < 0 || complaints < 0) {
        printf("lab:done -2 0 0 0 0 0 agent: %s\n", strerror(errno));
        return;
    }
    uint64_t started = now_ns();
    pid_t child = fork();
    if (child == 0)
        start(request, ends[1], complaints);
    close(ends[1]);
    bool in_time = follow(ends[0], started + (uint64_t)request->seconds * 1000000000, &out);
    if (!in_time) {
        kill(-child, SIGKILL);
        kill(child, SIGKILL);
    }
    wait4(child, &status, 0, &usage);
    uint64_t wall = now_ns() - started;
    close(ends[0]);
    last_line(complaints, why, sizeof why);
    close(complaints);
    int shown = !in_time ? -1 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    printf("lab:done %d %" PRIu64 " %" PRIu64 " %ld %" PRIu64 " %016" PRIx64 " %s\n", shown, wall,
           cpu_ns(&usage), usage.ru_maxrss, out.bytes, out.hash, why);
}

static bool parse(char *line, struct request *request)
{
    char *field[ARGUMENTS + 4];
    size_t n = 0;
    line[strcspn(line, "\r\n")] = 0;
    for (char *part; n < ARGUMENTS + 3 && (part = strsep(&line, "\t"));)
        field[n++] = part;
    if (n < 4 || strcmp(field[0], "run") != 0)
        return false;
    request->seconds = atoi(field[1]);
    request->root = field[2];
    for (size_t i = 3; i < n; i++)
        request->argv[i - 3] = field[i];
    request->argv[n - 3] = NULL;
    return true;
}

/* --- start -------------------------------------------------------------------------------------------- */

static void become_init(const char *console)
{
    mkdir("/proc", 0755);
    mkdir("/dev", 0755);
    mkdir("/tmp", 0777);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    mount("tmp", "/tmp", "tmpfs", 0, NULL);
    int fd = open(console, O_RDWR);
    if (fd < 0)
        return;
    for (int i = 0; i < 3; i++)
        dup2(fd, i);
}

static void make_raw(void)
{
    struct termios mode;
    if (tcgetattr(0, &mode))
        return;
    cfmakeraw(&mode);
    tcsetattr(0, TCSANOW, &mode);
}

int main(int argc, char **argv)
{
    static char line[LINE_MAX_];
    struct utsname names;
    const char *console =
        getenv("lab_console"); /* the kernel puts there what it does not know of its command line */
    if (getpid() == 1 && console)
        become_init(console);
    (void)argc, (void)argv;
    make_raw();
    setvbuf(stdout, NULL, _IOLBF, 0);
    uname(&names);
    printf("lab:ready %s %s\n", names.sysname, names.release);
    while (fgets(line, sizeof line, stdin)) {
        struct request request;
        if (parse(line, &request))
            run(&request);
        else if (line[0] != '\n')
            printf("lab:done -2 0 0 0 0 0 agent: no command that it knows\n");
    }
    return 0;
}
