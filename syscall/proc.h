/* The files of /proc that would show xemu instead of the guest. */
#ifndef SYSCALL_PROC_H
#define SYSCALL_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ORDER proc_files: proc.c */
enum proc_file {
    PROC_NONE,
    PROC_OTHER_EXE, /* the link of another process */
    PROC_EXE,       /* the link; all others are made at open */
    PROC_MAPS,
    PROC_SMAPS,
    PROC_CMDLINE,
    PROC_AUXV,
    PROC_ENVIRON,
    PROC_STAT,
    PROC_STATUS,
    PROC_CPUINFO,
};

/* Which of them the path names, textually; relative paths are looked at only if their last part is a name
 * from the table. */
enum proc_file proc_match(int dirfd, const char *path);

/* The guest program of the process whose /proc/PID/exe the path names (PROC_OTHER_EXE), if it is a guest and may be
 * looked into: false if not. The buffer has PATH_MAX bytes. */
bool proc_other_exe(int dirfd, const char *path, char *buffer);

/* The program that /proc/self/exe names, as a path that the host can open. */
const char *proc_exe_path(void);

/* Opens a made file: a descriptor with the content as of now, the lowest that is free, or -errno. */
int64_t proc_open(enum proc_file file, int dirfd, const char *path, uint64_t host_flags);

/* Text under construction. */
struct text {
    char *at;
    size_t length, room;
    int error; /* 0 or -ENOMEM */
};
void text_add(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_add_bytes(struct text *text, const void *bytes, size_t count);

/* proc_maps.c: /proc/self/maps and smaps of the guest, from the host's. */
void proc_maps(struct text *text, enum proc_file file);

/* A mapping of the guest; strings live until the visitor returns. */
struct mapping {
    uint64_t start, end, offset; /* offset: in the file, bytes */
    char perms[5];               /* the guest's rights */
    char device[16];
    uint64_t inode;
    const char *name; /* "" if none */
    const char
        *rows; /* what smaps says of the host's mapping that it is a part of: whole lines; null in maps */
    uint64_t host_bytes; /* size of that one */
};

/* Visits the guest's mappings from low to high addresses. 0, or -errno if /proc can't be read. */
int maps_visit(enum proc_file file, void (*visit)(const struct mapping *map, void *arg), void *arg);

/* proc_query.c: the answer to ioctl(fd, PROCMAP_QUERY), by the host where xemu didn't make the file. */
enum { PROCMAP_QUERY_IOCTL = (int)0xc0686611 };
int64_t proc_query(int fd, uint64_t addr);

/* proc_status.c: stat and status of one of this process's threads; path is the host's file. */
void proc_stat(struct text *text, const char *path);
void proc_status(struct text *text, const char *path);

#endif
