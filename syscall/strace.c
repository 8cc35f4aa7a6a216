/* --strace: one line per system call and signal. */
#include "strace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "task.h"

void line_add(struct line *line, const char *format, ...)
{
    va_list args;
    size_t room = sizeof line->text - line->length;
    va_start(args, format);
    int length = vsnprintf(line->text + line->length, room, format, args);
    va_end(args);
    if (length > 0)
        line->length += (size_t)length < room ? (size_t)length : room - 1;
}

/* One write per line, so that lines of several processes don't mix. */
static void emit(const struct line *line)
{
    host_raw(SYS_write, (uint64_t)log_strace_fd(), (uint64_t)line->text, line->length, 0);
}

static void begin(struct line *line)
{
    line->length = 0;
    line_add(line, "[%d] ", (int)host_raw(SYS_gettid, 0, 0, 0, 0));
}

static void add_call(struct line *line, const struct syscall_row *row, uint64_t number,
                     const uint64_t args[6], int64_t result, bool done)
{
    if (row->name)
        line_add(line, "%s(", row->name);
    else
        line_add(line, "syscall_%u(", (uint32_t)number);
    for (int i = 0; row->letters[i]; i++) {
        line_add(line, i ? ", " : "");
        strace_argument(line, row->letters[i], args + i, result, done);
    }
    line_add(line, ")");
}

static bool is_one_of(const struct syscall_row *row, const char *const names[], size_t count)
{
    for (size_t i = 0; row->name && i < count; i++) {
        if (!strcmp(row->name, names[i]))
            return true;
    }
    return false;
}

static bool may_not_return(const struct syscall_row *row)
{
    static const char *const names[] = {"exit", "exit_group", "execve", "execveat"};
    return is_one_of(row, names, sizeof names / sizeof *names);
}

void strace_enter(const struct syscall_row *row, const uint64_t args[6])
{
    struct line line;
    if (!may_not_return(row))
        return;
    begin(&line);
    add_call(&line, row, 0, args, 0, false);
    line_add(&line, "\n");
    emit(&line);
}

static bool gives_address(const struct syscall_row *row)
{
    static const char *const names[] = {"mmap", "mremap", "brk", "shmat"};
    return is_one_of(row, names, sizeof names / sizeof *names);
}

static void add_result(struct line *line, const struct syscall_row *row, int64_t result)
{
    if (result == RESULT_RESTART)
        line_add(line, " = ? (to be restarted)");
    else if (result == RESULT_NONE)
        line_add(line, " = ?");
    else if (result < 0 && result > -4096)
        line_add(line, " = -1 %s (%s)", strace_errno((int)-result), strerror((int)-result));
    else
        line_add(line, gives_address(row) ? " = %#lx" : " = %ld", result);
}

void strace_leave(const struct syscall_row *row, uint64_t number, const uint64_t args[6], int64_t result)
{
    struct line line;
    begin(&line);
    add_call(&line, row, number, args, result, true);
    add_result(&line, row, result);
    line_add(&line, "\n");
    emit(&line);
}

void strace_signal(const siginfo_t *info)
{
    struct line line;
    if (!strace_on())
        return;
    begin(&line);
    line_add(&line, "--- %s {si_code=%d", strace_signal_name(info->si_signo), info->si_code);
    if (info->si_code > 0 && (SIGBIT(info->si_signo) & SYNC_SIGNALS))
        line_add(&line, ", si_addr=%p} ---\n", info->si_addr);
    else
        line_add(&line, ", si_pid=%d, si_uid=%u} ---\n", info->si_pid, info->si_uid);
    emit(&line);
}
