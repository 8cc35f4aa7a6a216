/* The store's directory and its files, and which of them an address belongs to. */
#include "store.h"

#include <xemu/features.h>
#include <xemu/log.h>
#include <xemu/mem.h>
#include <xemu/options.h>
#include <xemu/own.h>
#include <xemu/profile.h>

#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <nmmintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

enum { TMPFS = 0x01021994 };

enum { NAME_ROOM = 64 }; /* for the name of a file */

static char directory[PATH_MAX - NAME_ROOM];
static uint64_t key; /* code is good for one build of xemu, one kind of host and one guest CPU */
static uid_t owner;
static struct store_file files[STORE_FILES]; /* [0] is none */
static unsigned file_count = 1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* over the two */

/* --- which directory ---------------------------------------------------------------------------------- */

/* Where the user's programs keep such things; false: nowhere. */
static bool users_directory(char *path, size_t size)
{
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    struct stat info;
    if (cache && cache[0] == '/') {
        snprintf(path, size, "%s/xemu", cache);
        return true;
    }
    if (!home || home[0] != '/' || stat(home, &info) || info.st_uid != geteuid())
        return false;
    snprintf(path, size, "%s/.cache", home);
    if (stat(path, &info)) /* made for xemu's sake it would surprise */
        return false;
    snprintf(path, size, "%s/.cache/xemu", home);
    return true;
}

/* Whether this is the root that xemu was installed in, not that of a container or a chroot. */
static bool is_at_home(void)
{
    char path[PATH_MAX];
    struct stat by_path, own;
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        return false;
    path[length] = 0;
    return !stat(path, &by_path) && !stat("/proc/self/exe", &own) && by_path.st_dev == own.st_dev &&
           by_path.st_ino == own.st_ino;
}

/* Elsewhere, and in containers above all, nothing of xemu's shall stay behind in the files: only a directory that
 * somebody has put there for this purpose, or memory. */
static bool other_directory(char *path, size_t size)
{
    struct stat info;
    struct statfs fs;
    snprintf(path, size, "/var/cache/xemu");
    if (!stat(path, &info) && info.st_uid == geteuid())
        return true;
    snprintf(path, size, "/dev/shm/xemu-%u", geteuid());
    return !statfs("/dev/shm", &fs) && fs.f_type == TMPFS;
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 32;
}

/* The linker's build ID of this program. */
static int hash_build(struct dl_phdr_info *info, size_t size, void *hash)
{
    (void)size;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *header = &info->dlpi_phdr[i];
        if (header->p_type != PT_NOTE)
            continue;
        const uint8_t *notes = (const uint8_t *)(info->dlpi_addr + header->p_vaddr);
        for (size_t at = 0; at < header->p_memsz; at++)
            *(uint64_t *)hash = mix(*(uint64_t *)hash, notes[at]);
    }
    return 1; /* the libraries don't matter */
}

static uint64_t make_key(void)
{
    uint64_t hash = mix(backend_host_key(), sizeof(struct stored_block));
    dl_iterate_phdr(hash_build, &hash);
    for (const char *at = options.cpu; at && *at; at++)
        hash = mix(hash, (uint8_t)*at);
    return hash;
}

/* Nobody else may have put code there. */
static bool is_trusted(int fd, mode_t type)
{
    struct stat info;
    return !fstat(fd, &info) && (info.st_mode & S_IFMT) == type && info.st_uid == geteuid() && !(info.st_mode & 022);
}

static bool open_directory(void)
{
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool good = fd >= 0 && is_trusted(fd, S_IFDIR);
    if (fd >= 0)
        close(fd);
    return good;
}

/* FAMILY: there is no place but memory without a name, and that is not made before somebody can use it. */
static enum { NOT_ASKED, NO, FAMILY, YES } ready;

static bool find_directory(void)
{
    size_t room = sizeof directory;
    if (options.cache_dir && !strcmp(options.cache_dir, "none"))
        return false;
    if (options.cache_dir) {
        snprintf(directory, room, "%s", options.cache_dir);
    } else if (!(is_at_home() && users_directory(directory, room)) && !other_directory(directory, room) &&
               !store_of_parent(directory, room)) {
        ready = FAMILY;
        return false;
    }
    if (open_directory())
        return true;
    mkdir(directory, 0700);
    return open_directory();
}

bool store_ready(void)
{
    if (ready == NOT_ASKED) {
        bool wanted = !log_mask && !options.counts_calls && !profile_on() && !getauxval(AT_SECURE);
        ready = NO;
        if (wanted && find_directory())
            ready = YES;
        key = make_key();
        owner = geteuid();
    }
    return ready == YES;
}

void store_before_fork(void)
{
    if (!cache.start || store_ready() || ready != FAMILY || !store_is_ours())
        return;
    ready = store_for_children(directory, sizeof directory) ? YES : NO;
}

bool store_is_ours(void) { return geteuid() == owner; }
const char *store_directory(void) { return directory; }

void store_path(char *text, size_t size, uint64_t object)
{
    snprintf(text, size, "%s/%016lx-%016lx", directory, key, object);
}

/* --- files -------------------------------------------------------------------------------------------- */

bool store_map(uint64_t object, const uint8_t **data, uint64_t *size)
{
    char name[PATH_MAX];
    struct stat info;
    store_path(name, sizeof name, object);
    int fd = open(name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return false;
    void *memory = NULL;
    if (is_trusted(fd, S_IFREG) && !fstat(fd, &info) && info.st_size > 0)
        memory = own_map((size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd);
    close(fd);
    if (!memory)
        return false;
    if (!store_is_sound(memory, (uint64_t)info.st_size)) {
        munmap(memory, (size_t)info.st_size);
        return false;
    }
    *data = memory;
    *size = (uint64_t)info.st_size;
    return true;
}

uint32_t store_checksum(const struct stored_block *block)
{
    uint64_t sum = UINT32_MAX;
    for (size_t at = 8; at < block->size; at += 8) {
        uint64_t word;
        memcpy(&word, (const uint8_t *)block + at, 8);
        sum = _mm_crc32_u64(sum, word);
    }
    return (uint32_t)sum;
}

/* --- addresses ---------------------------------------------------------------------------------------- */

static unsigned number_of(uint64_t object)
{
    unsigned i = 1;
    pthread_mutex_lock(&lock);
    while (i < file_count && files[i].object != object)
        i++;
    if (i == file_count && i < STORE_FILES)
        files[file_count++].object = object;
    pthread_mutex_unlock(&lock);
    return i < STORE_FILES ? i : 0;
}

unsigned store_place(uint64_t pc, uint32_t *place)
{
    struct code_place in_file;
    if (!guest_code_place(pc, &in_file) || in_file.offset / 4 > UINT32_MAX)
        return 0;
    *place = (uint32_t)(in_file.offset / 4);
    return number_of(in_file.object);
}

const struct store_file *store_file(unsigned number)
{
    struct store_file *file = &files[number];
    pthread_mutex_lock(&lock);
    if (!file->looked) {
        file->looked = true;
        if (!store_map(file->object, &file->data, &file->size))
            file->data = NULL;
    }
    pthread_mutex_unlock(&lock);
    return file;
}

NO_SANITIZE uint64_t store_hash(uint64_t start, uint64_t end)
{
    uint64_t hash = mix(guest_range_guarded(start), end - start);
    for (; start + 8 <= end; start += 8)
        hash = mix(hash, mem_load(start, 3));
    return start < end ? mix(hash, mem_load(start, 2)) : hash;
}

void store_after_fork(void)
{
    for (unsigned i = 1; i < file_count; i++) /* others may have written better ones meanwhile */
        files[i].looked = files[i].data;
    for (unsigned i = 0; i < cache.arena_count; i++)
        cache.arenas[i].saved = cache.arenas[i].block_count;
}
