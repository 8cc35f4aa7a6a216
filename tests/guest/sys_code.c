/* Code that changes: in a writable page, through another mapping of the same memory, by another thread, behind
 * mprotect, munmap and fork. */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

enum { PAGE = 4096, ROUNDS = 3000, SLOT = 64, SLOTS = PAGE / SLOT };
enum { RW = PROT_READ | PROT_WRITE, RX = PROT_READ | PROT_EXEC, ANON = MAP_PRIVATE | MAP_ANONYMOUS };

/* Where code is written and where it's called: two views of the same memory, or one. */
struct code {
    char *write, *run;
};

#ifdef __aarch64__
static size_t put_constant(char *at, unsigned value) /* mov w0, #value; ret */
{
    uint32_t words[] = {0x52800000 | (value & 0xffff) << 5, 0xd65f03c0};
    memcpy(at, words, sizeof words);
    return sizeof words;
}
static size_t put_jump(char *at, long distance) /* b .+distance */
{
    uint32_t word = 0x14000000 | (distance >> 2 & 0x3ffffff);
    memcpy(at, &word, sizeof word);
    return sizeof word;
}
static const uint32_t loop_forever = 0x14000000, no_operation = 0xd503201f; /* b . and nop */
static void discard_fetched(void) { __asm__ volatile("isb" ::: "memory"); }
#else
static size_t put_constant(char *at, unsigned value) /* mov $value, %eax; ret */
{
    uint32_t constant = value & 0xffff;
    *at = (char)0xb8;
    memcpy(at + 1, &constant, sizeof constant);
    at[5] = (char)0xc3;
    return 6;
}
static size_t put_jump(char *at, long distance) /* jmp .+distance */
{
    int32_t displacement = distance - 5;
    *at = (char)0xe9;
    memcpy(at + 1, &displacement, sizeof displacement);
    return 5;
}
static const uint32_t loop_forever = 0x9090feeb, no_operation = 0x90909090; /* jmp . and nop */
static void discard_fetched(void)
{
    unsigned a = 0, c = 0;
    __asm__ volatile("cpuid" : "+a"(a), "+c"(c)::"ebx", "edx", "memory");
}
#endif

static void publish(struct code code, size_t offset, size_t size)
{
    __builtin___clear_cache(code.run + offset, code.run + offset + size);
}

static void write_constant(struct code code, size_t offset, unsigned value)
{
    publish(code, offset, put_constant(code.write + offset, value));
}

static unsigned call(struct code code, size_t offset) { return ((unsigned (*)(void))(code.run + offset))(); }

static struct code anonymous(void)
{
    char *page = mmap(NULL, PAGE, RW | PROT_EXEC, ANON, -1, 0);
    return (struct code){page, page};
}

static struct code mapped_twice(void)
{
    int fd = memfd_create("code", MFD_CLOEXEC);
    CHECK(ftruncate(fd, PAGE), 0);
    struct code code = {mmap(NULL, PAGE, RW, MAP_SHARED, fd, 0), mmap(NULL, PAGE, RX, MAP_SHARED, fd, 0)};
    close(fd);
    return code;
}

static void one_thread(struct code code)
{
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t offset = round % 7 * SLOT;
        write_constant(code, offset, round * 31);
        CHECK(call(code, offset), round * 31 & 0xffff);
        CHECK(call(code, offset), round * 31 & 0xffff);
    }
}

/* Blocks that were linked to others: the jump changes, then its target. */
static void jumps(struct code code)
{
    for (unsigned slot = 1; slot < SLOTS; slot++)
        write_constant(code, slot * SLOT, slot);
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned slot = 1 + round % (SLOTS - 1);
        publish(code, 0, put_jump(code.write, slot * SLOT));
        CHECK(call(code, 0), slot);
        write_constant(code, slot * SLOT, round);
        CHECK(call(code, 0), round);
        write_constant(code, slot * SLOT, slot);
    }
}

/* ---- two threads ---- */

struct exchange {
    struct code code;
    unsigned ready, done; /* rounds; atomic */
};

static void wait_for(unsigned *counter, unsigned value)
{
    for (unsigned spins = 0; __atomic_load_n(counter, __ATOMIC_ACQUIRE) != value; spins++) {
        if (spins > 100)
            sched_yield();
    }
}

static void *patcher(void *arg)
{
    struct exchange *exchange = arg;
    for (unsigned round = 1; round <= ROUNDS; round++) {
        write_constant(exchange->code, round % 3 * SLOT, round * 17);
        __atomic_store_n(&exchange->ready, round, __ATOMIC_RELEASE);
        wait_for(&exchange->done, round);
    }
    return NULL;
}

static void another_thread_patches(struct code code)
{
    struct exchange exchange = {code};
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, patcher, &exchange), 0);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        wait_for(&exchange.ready, round);
        discard_fetched();
        CHECK(call(code, round % 3 * SLOT), round * 17 & 0xffff);
        __atomic_store_n(&exchange.done, round, __ATOMIC_RELEASE);
    }
    pthread_join(thread, NULL);
}

static void *loop_runner(void *arg)
{
    struct exchange *exchange = arg;
    __atomic_store_n(&exchange->ready, 1, __ATOMIC_RELEASE);
    return (void *)(long)call(exchange->code, 0);
}

/* A loop that never ends by itself: its only instruction is replaced while it runs. */
static void a_running_loop_ends(struct code code)
{
    for (unsigned round = 0; round < 100; round++) {
        struct exchange exchange = {code};
        pthread_t thread;
        void *result;
        write_constant(code, sizeof loop_forever, round);
        __atomic_store_n((uint32_t *)code.write, loop_forever, __ATOMIC_RELEASE);
        publish(code, 0, sizeof loop_forever);
        CHECK(pthread_create(&thread, NULL, loop_runner, &exchange), 0);
        wait_for(&exchange.ready, 1);
        if (round % 2)
            sched_yield();
        __atomic_store_n((uint32_t *)code.write, no_operation, __ATOMIC_RELEASE);
        publish(code, 0, sizeof no_operation);
        CHECK(pthread_join(thread, &result), 0);
        CHECK((long)result, round);
    }
}

/* ---- other ways than a store ---- */

static void protection_changes(void)
{
    struct code code = anonymous();
    for (unsigned round = 0; round < 300; round++) {
        CHECK(mprotect(code.write, PAGE, RW), 0);
        write_constant(code, 0, round);
        CHECK(mprotect(code.write, PAGE, RX), 0);
        CHECK(call(code, 0), round);
    }
}

static void mapping_changes(void)
{
    struct code code = anonymous();
    for (unsigned round = 0; round < 300; round++) {
        if (round % 2)
            CHECK(munmap(code.run, PAGE), 0);
        CHECK(mmap(code.run, PAGE, RW | PROT_EXEC, ANON | MAP_FIXED, -1, 0), (long)code.run);
        write_constant(code, 0, round);
        CHECK(call(code, 0), round);
    }
}

static void a_child_changes_its_copy(void)
{
    struct code code = anonymous();
    for (unsigned round = 0; round < 20; round++) {
        int status = -1;
        write_constant(code, 0, round);
        CHECK(call(code, 0), round);
        pid_t pid = fork();
        if (pid == 0) {
            write_constant(code, 0, round + 100);
            _exit((int)call(code, 0));
        }
        CHECK(waitpid(pid, &status, 0), pid);
        CHECK(WEXITSTATUS(status), round + 100);
        CHECK(call(code, 0), round);
    }
}

int main(void)
{
    struct code code[] = {anonymous(), mapped_twice()};
    for (int i = 0; i < 2; i++) {
        one_thread(code[i]);
        jumps(code[i]);
        another_thread_patches(code[i]);
        a_running_loop_ends(code[i]);
    }
    protection_changes();
    mapping_changes();
    a_child_changes_its_copy();
    return check_end();
}
