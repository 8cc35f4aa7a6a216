/* Messages and logs: one write(2) per message, so that lines of several processes don't mix. */
#include <xemu/log.h>
#include <xemu/cpu.h>
#include <xemu/crash.h>
#include <xemu/fault.h>
#include <xemu/options.h>
#include <xemu/sys.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

unsigned log_mask;

static const struct {
    const char *name;
    unsigned mask;
    const char *help;
} items[] = {
    /* ORDER log_names: include/xemu/log.h */
    {"in_asm", LOG_IN_ASM, "guest instructions, when they are first decoded"},
    {"ir", LOG_IR, "intermediate representation of each block"},
    {"out_asm", LOG_OUT_ASM, "host instructions of each block, when it is compiled; two or three of these: side by side"},
    {"cpu", LOG_CPU, "guest registers before each block"},
    {"exec", LOG_EXEC, "address of each block that is run"},
    {"int", LOG_INT, "faults, signals and exceptions"},
    {"page", LOG_PAGE, "memory map of the guest after loading"},
    {"unimp", LOG_UNIMP, "instructions and system calls that xemu lacks"},
    {"strace", LOG_STRACE, "system calls"},
    {"all", ~0u, "everything"},
};
enum { ITEMS = sizeof items / sizeof *items };

static void list_items(void)
{
    for (size_t i = 0; i < ITEMS; i++)
        printf("%-8s %s\n", items[i].name, items[i].help);
}

static unsigned item_mask(const char *name, size_t length)
{
    for (size_t i = 0; i < ITEMS; i++)
        if (strlen(items[i].name) == length && strncmp(items[i].name, name, length) == 0)
            return items[i].mask;
    return 0;
}

const char *log_select(const char *list)
{
    if (strcmp(list, "help") == 0) {
        list_items();
        exit(0);
    }
    while (*list) {
        size_t length = strcspn(list, ",");
        unsigned mask = item_mask(list, length);
        if (!mask)
            return "has an item that is not one of those that -d help lists";
        log_mask |= mask;
        list += length + (list[length] == ',');
    }
    return NULL;
}

/* Where a log goes. A %d in the name gives every process a file of its own, also after fork(). */
struct log_file {
    int fd; /* open file, or 0: not open yet */
    pid_t pid;
};

static struct log_file main_log, strace_log;

static void expand_name(char *out, size_t size, const char *name)
{
    const char *mark = strstr(name, "%d");
    if (mark)
        snprintf(out, size, "%.*s%d%s", (int)(mark - name), name, (int)getpid(), mark + 2);
    else
        snprintf(out, size, "%s", name);
}

static void open_log(struct log_file *log, const char *name)
{
    char path[PATH_MAX];
    expand_name(path, sizeof path, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        die(1, "cannot open the log file %s: %s", path, strerror(errno));
    if (log->fd) { /* keeps the number, which the guest must not touch */
        dup3(fd, log->fd, O_CLOEXEC);
        close(fd);
    } else {
        log->fd = sys_own_fd(fd);
    }
    log->pid = getpid();
}

static int log_descriptor(struct log_file *log, const char *name)
{
    if (!name)
        return STDERR_FILENO;
    if (!log->fd || (log->pid != getpid() && strstr(name, "%d")))
        open_log(log, name);
    return log->fd;
}

int log_fd(void) { return log_descriptor(&main_log, options.log_file); }

int log_strace_fd(void)
{
    return options.strace_file ? log_descriptor(&strace_log, options.strace_file) : log_fd();
}

static void write_all(int fd, const char *text, size_t length)
{
    while (length) {
        ssize_t n = write(fd, text, length);
        if (n < 0 && errno != EINTR)
            return; /* nowhere to complain */
        if (n > 0) {
            text += n;
            length -= n;
        }
    }
}

void log_write(const char *text, size_t length) { write_all(log_fd(), text, length); }

/* Formats into a buffer on the stack: no malloc, for signal handlers. Longer messages are cut. */
static void write_message(int fd, const char *prefix, const char *format, va_list args, const char *suffix)
{
    char text[2048];
    size_t used = snprintf(text, sizeof text, "%s", prefix);
    size_t room = sizeof text - used - strlen(suffix);
    int length = vsnprintf(text + used, room, format, args);
    used += length < 0 ? 0 : (size_t)length < room ? (size_t)length : room - 1;
    used += snprintf(text + used, sizeof text - used, "%s", suffix);
    write_all(fd, text, used);
}

void log_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_message(log_fd(), "", format, args, "");
    va_end(args);
}

void die(int status, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    write_message(STDERR_FILENO, "xemu: ", format, args, "\n");
    va_end(args);
    exit(status);
}

static const char *engine_name(void)
{
    static const char *const names[] = {
        [ENGINE_AUTO] = "auto", [ENGINE_INTERP] = "interp", [ENGINE_IR] = "ir", [ENGINE_JIT] = "jit"};
    return names[options.engine];
}

void panic(const char *format, ...)
{
    char where[160] = "\n";
    uint32_t word = 0;
    if (this_cpu) {
        uint64_t pc = this_cpu->pc;
        bool readable = guest_copy_in(&word, pc, sizeof word) == 0;
        snprintf(where, sizeof where, "\nxemu: guest pc %#lx, instruction %0*x%s, engine %s, xemu %s\n", pc,
                 readable ? 8 : 0, word, readable ? "" : " (unreadable)", engine_name(), XEMU_VERSION);
    }
    va_list args;
    va_start(args, format);
    write_message(STDERR_FILENO, "xemu: bug in xemu: ", format, args, where);
    va_end(args);
    if (this_cpu)
        crash_report_bug(this_cpu);
    signal(SIGABRT, SIG_DFL);
    abort();
}
