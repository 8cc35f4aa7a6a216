/* Conversions between the two ABIs. */
#include "../../syscall/abi.h"

#include <criterion/criterion.h>
#include <fcntl.h>

Test(abi, open_flags_survive_the_way_there_and_back)
{
    for (int bit = 0; bit < 32; bit++) {
        uint64_t flag = 1ull << bit;
        cr_assert_eq(guest_open_flags(host_open_flags(flag)), flag, "bit %d", bit);
        cr_assert_eq(host_open_flags(guest_open_flags(flag)), flag, "bit %d", bit);
        cr_assert_eq(__builtin_popcountll(host_open_flags(flag)), 1, "bit %d", bit);
    }
    for (uint64_t flags = 0; flags < 1 << 23; flags += 0x3f1)
        cr_assert_eq(guest_open_flags(host_open_flags(flags)), flags);
}

Test(abi, host_open_flags_are_the_c_librarys)
{
    cr_assert_eq(host_open_flags(ARM64_O_DIRECTORY), O_DIRECTORY);
    cr_assert_eq(host_open_flags(ARM64_O_NOFOLLOW), O_NOFOLLOW);
    cr_assert_eq(host_open_flags(ARM64_O_DIRECT), O_DIRECT);
    cr_assert_eq(host_open_flags(ARM64_O_LARGEFILE), HOST_O_LARGEFILE);
    cr_assert_eq(host_open_flags(020000000 | ARM64_O_DIRECTORY), O_TMPFILE);
    static const int same[] = {O_WRONLY, O_RDWR,  O_CREAT, O_EXCL,  O_NOCTTY, O_TRUNC, O_APPEND, O_NONBLOCK,
                               O_DSYNC,  O_ASYNC, O_SYNC,  O_CLOEXEC, O_NOATIME, O_PATH};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        cr_assert_eq(host_open_flags((uint64_t)same[i]), (uint64_t)same[i]);
}

Test(abi, stat_keeps_every_field)
{
    struct stat host = {.st_dev = 1, .st_ino = 2, .st_mode = 3, .st_nlink = 4, .st_uid = 5, .st_gid = 6,
                        .st_rdev = 7, .st_size = 8, .st_blksize = 9, .st_blocks = 10, .st_atim = {11, 12},
                        .st_mtim = {13, 14}, .st_ctim = {15, 16}};
    struct arm64_stat guest = guest_stat(&host);
    uint64_t got[16] = {guest.st_dev,       guest.st_ino,        guest.st_mode,      guest.st_nlink,
                        guest.st_uid,       guest.st_gid,        guest.st_rdev,      (uint64_t)guest.st_size,
                        (uint64_t)guest.st_blksize, (uint64_t)guest.st_blocks, (uint64_t)guest.st_atime_sec,
                        (uint64_t)guest.st_atime_nsec, (uint64_t)guest.st_mtime_sec, (uint64_t)guest.st_mtime_nsec,
                        (uint64_t)guest.st_ctime_sec, (uint64_t)guest.st_ctime_nsec};
    for (uint64_t i = 0; i < 16; i++)
        cr_assert_eq(got[i], i + 1);
}
