/* Keeps the store small. */
#include "store.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct survey {
    uint64_t bytes;
    char oldest[64]; /* file; empty: there is none */
    struct timespec oldest_time;
    uint64_t oldest_bytes;
};

static void look_at(struct survey *survey, int dir, const struct store_dirent *entry)
{
    struct stat info;
    if (strlen(entry->name) >= sizeof survey->oldest || fstatat(dir, entry->name, &info, AT_SYMLINK_NOFOLLOW) ||
        !S_ISREG(info.st_mode))
        return;
    survey->bytes += (uint64_t)info.st_size;
    struct timespec time = info.st_mtim;
    bool older = time.tv_sec < survey->oldest_time.tv_sec ||
                 (time.tv_sec == survey->oldest_time.tv_sec && time.tv_nsec < survey->oldest_time.tv_nsec);
    if (survey->oldest[0] && !older)
        return;
    strcpy(survey->oldest, entry->name);
    survey->oldest_time = time;
    survey->oldest_bytes = (uint64_t)info.st_size;
}

static struct survey survey_of(int dir)
{
    struct survey survey = {0};
    _Alignas(8) char buffer[4096];
    lseek(dir, 0, SEEK_SET);
    for (long bytes; (bytes = syscall(SYS_getdents64, dir, buffer, sizeof buffer)) > 0;)
        for (long at = 0; at < bytes; at += ((struct store_dirent *)(buffer + at))->size)
            look_at(&survey, dir, (struct store_dirent *)(buffer + at));
    return survey;
}

void store_prune(uint64_t most)
{
    int dir = open(store_directory(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return;
    struct survey survey = survey_of(dir);
    for (uint64_t goal = survey.bytes > most ? most / 2 : UINT64_MAX; survey.bytes > goal; survey = survey_of(dir))
        if (!survey.oldest[0] || unlinkat(dir, survey.oldest, 0))
            break;
    close(dir);
}
