/* Threads, forks, signals and code that comes and goes, all at once: nothing hangs, gets lost or leaks. An
 * argument says how many times longer than in the quick tests; two, which part is done again and again for how many
 * seconds (tests/guest/stress looks at such a process from outside). */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>

#include "check.h"

enum {
    THREADS = 100,
    SECONDS = 6,
    PINGS = 20000,
    SHORT_LIVES = 3000,
    COPIES = 300,
    READERS = 4,
    PAGE = 4096
};

static int longer = 1;
static int patience = 20; /* seconds, with what might hang */

static atomic_int begun, over, handled, sent;
static pthread_t threads[THREADS];
static pthread_barrier_t end;

static void on_signal(int signo) { handled++; }

/* A function that returns `value`, in memory of its own. */
static void *make_code(uint32_t value)
{
    uint8_t *code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (code == MAP_FAILED)
        return NULL;
#ifdef __aarch64__
    memcpy(code, (uint32_t[]){0x52800000 | value << 5, 0xd65f03c0}, 8);
#else
    memcpy(code, (uint8_t[]){0xb8, (uint8_t)value, (uint8_t)(value >> 8), 0, 0, 0xc3}, 6);
#endif
    __builtin___clear_cache((char *)code, (char *)code + 8);
    mprotect(code, PAGE, PROT_READ | PROT_EXEC);
    return code;
}

static int run_code(uint32_t value)
{
    void *code = make_code(value);
    int wrong = !code || ((uint32_t(*)(void))code)() != value;
    munmap(code, PAGE);
    return wrong;
}

static int child_dies_well(uint32_t value)
{
    int status = -1;
    pid_t pid = fork();
    if (pid == 0) {
        char *text = malloc(100);
        snprintf(text, 100, "%u", value);
        _exit(run_code(value) ? 1 : atoi(text) % 100 + 2);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return status != (int)(value % 100 + 2) << 8;
}

static void *busy(void *arg)
{
    uint32_t random = (uint32_t)(uintptr_t)arg * 2654435761u + 1;
    long wrong = 0;
    while (!begun)
        usleep(1000);
    while (!over) {
        random = random * 1664525 + 1013904223;
        uint32_t value = random >> 16 & 0x7fff;
        wrong += run_code(value);
        free(malloc(value));
        if (random % 61 == 0)
            wrong += child_dies_well(value);
        if (random % 7 == 0) {
            sent++;
            wrong += pthread_kill(threads[random >> 8 & 63], SIGUSR1) != 0;
        }
    }
    pthread_barrier_wait(&end); /* until then somebody may send a signal here */
    return (void *)wrong;
}

static int open_files(void)
{
    int count = 0;
    DIR *directory = opendir("/proc/self/fd");
    while (readdir(directory))
        count++;
    closedir(directory);
    return count;
}

static long resident_pages(void)
{
    long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    fscanf(file, "%ld %ld", &size, &resident);
    fclose(file);
    return resident;
}

static void everything_at_once(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    void *result;
    int files = open_files();
    sigset_t set;
    begun = over = handled = sent = 0;
    sigaction(SIGUSR1, &action, NULL);
    pthread_barrier_init(&end, NULL, THREADS);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    for (long i = 0; i < THREADS; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, busy, (void *)i), 0);
        threads[i] = thread;
    }
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    begun = 1;
    sleep(SECONDS * longer);
    over = 1;
    for (int i = 0; i < THREADS; i++) {
        CHECK(pthread_join(threads[i], &result), 0);
        CHECK(result, 0);
    }
    CHECK(handled > 0 && handled <= sent, 1);
    CHECK(open_files(), files);
    CHECK_ERRNO(waitpid(-1, NULL, 0), ECHILD);
}

/* ---- two threads throw signals at each other: each one answers the one before ---- */

static atomic_int pings;

static void *partner(void *arg)
{
    sigset_t set;
    siginfo_t info;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    for (int i = 0; i < PINGS * longer; i++) {
        while (sigwaitinfo(&set, &info) < 0)
            ;
        pings += info.si_value.sival_int == i;
        pthread_sigqueue(*(pthread_t *)arg, SIGRTMIN + 1, info.si_value);
    }
    return NULL;
}

static void signals_go_to_and_fro(void)
{
    pthread_t thread, self = pthread_self();
    sigset_t set;
    siginfo_t info;
    pings = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGRTMIN + 1);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pthread_create(&thread, NULL, partner, &self);
    sigdelset(&set, SIGRTMIN);
    for (int i = 0; i < PINGS * longer; i++) {
        pthread_sigqueue(thread, SIGRTMIN, (union sigval){.sival_int = i});
        CHECK(sigwaitinfo(&set, &info), SIGRTMIN + 1);
        CHECK(info.si_value.sival_int, i);
    }
    pthread_join(thread, NULL);
    CHECK(pings, PINGS * longer);
}

/* ---- threads that end at once ---- */

static void *ends(void *arg) { return arg; }

static void *makes_threads(void *unused)
{
    for (long i = 0; i < SHORT_LIVES / 4 * longer; i++) {
        pthread_t thread;
        void *result;
        CHECK(pthread_create(&thread, NULL, ends, (void *)i), 0);
        CHECK(pthread_join(thread, &result), 0);
        CHECK(result, i);
    }
    return NULL;
}

static void storm_of_threads(void)
{
    pthread_t maker[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&maker[i], NULL, makes_threads, NULL);
    for (int i = 0; i < 4; i++)
        pthread_join(maker[i], NULL);
}

/* A sanitizer keeps freed memory for a while, and has locks of its own. */
static int with_sanitizer(void)
{
    const char *mode = getenv("MODE");
    return mode && strcmp(mode, "rel");
}

static void threads_leave_nothing(void)
{
    long room = with_sanitizer() ? 64 * 1024 : 2048;
    storm_of_threads();
    long before = resident_pages();
    storm_of_threads();
    CHECK(resident_pages() < before + room, 1);
}

/* ---- copies of the process that are made without the C library, while other threads are busy in the kernel
 * ---- */

static void *reads_maps(void *arg)
{
    char text[PAGE];
    while (!over) {
        int fd = open("/proc/self/smaps", O_RDONLY);
        read(fd, text, sizeof text);
        close(fd);
    }
    return arg;
}

static void copies_find_nothing_locked(void)
{
    pthread_t reader[READERS];
    int status;
    over = 0;
    for (int i = 0; i < READERS; i++)
        pthread_create(&reader[i], NULL, reads_maps, NULL);
    for (int i = 0; i < COPIES * longer; i++) {
        pid_t pid = (pid_t)syscall(SYS_clone, 0, NULL, NULL, NULL, NULL);
        if (pid == 0) {
            char text[PAGE];
            int fd = open("/proc/self/maps", O_RDONLY);
            _exit(read(fd, text, sizeof text) > 0 ? 3 : 4);
        }
        alarm(patience); /* for one that hangs */
        CHECK(waitpid(pid, &status, __WALL), pid);
        CHECK(status, 3 << 8);
    }
    alarm(0);
    over = 1;
    for (int i = 0; i < READERS; i++)
        pthread_join(reader[i], NULL);
}

/* ---- for as long as one likes ---- */

static const struct {
    const char *name;
    void (*round)(void);
} parts[] = {
    {"signals", signals_go_to_and_fro},
    {"threads", threads_leave_nothing},
    {"everything", everything_at_once},
    {"copies", copies_find_nothing_locked},
};

static void again_and_again(const char *name, time_t seconds)
{
    time_t stop = time(NULL) + seconds;
    patience = 300; /* at low priority */
    long rounds = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        while (!strcmp(name, parts[i].name) && time(NULL) < stop && !check_failures) {
            parts[i].round();
            rounds++;
        }
    }
    CHECK(rounds > 0, 1);
    fprintf(stderr, "%ld rounds\n", rounds);
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        again_and_again(argv[1], atol(argv[2]));
        return check_end();
    }
    if (argc > 1)
        longer = atoi(argv[1]);
    signals_go_to_and_fro();
    threads_leave_nothing();
    everything_at_once();
    if (!with_sanitizer())
        copies_find_nothing_locked();
    return check_end();
}
