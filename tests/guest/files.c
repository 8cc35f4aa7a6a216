// dynamic
/* Files, directories and what stat says about them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

/* C leaves open in which order arguments are evaluated: a call and its errno need a statement each. */
static void result(const char *what, long value)
{
    printf("%s %ld %s\n", what, value, value < 0 ? strerror(errno) : "");
}

static void show(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0) {
        printf("%s: %s\n", path, strerror(errno));
        return;
    }
    printf("%s: mode %o, links %d, size %lld, blocks of %d, recent %d\n", path, st.st_mode, (int)st.st_nlink,
           S_ISDIR(st.st_mode) ? 0 : (long long)st.st_size, (int)st.st_blksize, st.st_mtime > 1600000000);
}

static int by_name(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void list(const char *path)
{
    char *names[100];
    int n = 0;
    DIR *directory = opendir(path);
    for (struct dirent *entry; (entry = readdir(directory));) {
        char text[300];
        snprintf(text, sizeof text, "%s(%d)", entry->d_name, entry->d_type);
        names[n++] = strdup(text);
    }
    closedir(directory);
    qsort(names, n, sizeof *names, by_name);
    for (int i = 0; i < n; i++)
        printf("%s ", names[i]);
    putchar('\n');
}

int main(void)
{
    char buffer[100] = "";
    umask(022);
    int fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0644);
    printf("write %zd\n", write(fd, "hello world\n", 12));
    result("pread", pread(fd, buffer, 5, 6));
    puts(buffer);
    result("seek", lseek(fd, -6, SEEK_END));
    result("seek", lseek(fd, 0, SEEK_CUR));
    struct iovec parts[2] = {{"one ", 4}, {"two\n", 4}};
    printf("writev %zd\n", writev(fd, parts, 2));
    printf("truncate %d\n", ftruncate(fd, 10));
    show("a");
    result("again", open("a", O_CREAT | O_EXCL, 0644));
    result("directory", open("a", O_DIRECTORY));
    result("missing", open("b", O_RDONLY));
    symlink("a", "link");
    result("nofollow", open("link", O_NOFOLLOW));
    printf("readlink %zd\n", readlink("link", buffer, sizeof buffer));
    link("a", "hard");
    show("a");
    show("link");
    mkdir("d", 0755);
    mkdir("d/e", 0700);
    list(".");
    result("rmdir", rmdir("d"));
    rename("hard", "d/moved");
    list("d");
    chdir("d");
    getcwd(buffer, sizeof buffer);
    printf("cwd %s\n", strrchr(getcwd(NULL, 0), '/'));
    chmod("moved", 0600);
    show("moved");
    printf("access %d %d\n", access("moved", R_OK), access("nothing", F_OK));
    struct timespec times[2] = {{1000000000, 5}, {1100000000, 7}};
    utimensat(AT_FDCWD, "moved", times, 0);
    struct stat st;
    stat("moved", &st);
    printf("times %ld.%ld %ld.%ld\n", st.st_atim.tv_sec, st.st_atim.tv_nsec, st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
    int copy = dup(fd), high = fcntl(fd, F_DUPFD_CLOEXEC, 50);
    printf("dup %d, high %d, cloexec %d, flags %o\n", copy != fd, high, fcntl(high, F_GETFD),
           fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_DIRECTORY));
    fcntl(fd, F_SETFL, O_APPEND);
    printf("append %d\n", (fcntl(copy, F_GETFL) & O_APPEND) != 0);
    struct flock lock = {.l_type = F_WRLCK, .l_len = 5};
    printf("lock %d\n", fcntl(fd, F_SETLK, &lock));
    struct statvfs vfs;
    result("statvfs", statvfs(".", &vfs));
    printf("names %lu\n", vfs.f_namemax);
    FILE *stream = fopen("text", "w+");
    for (int i = 0; i < 5000; i++)
        fprintf(stream, "line %d\n", i);
    rewind(stream);
    int lines = 0;
    while (fgets(buffer, sizeof buffer, stream))
        lines++;
    printf("lines %d, last %s", lines, buffer);
    result("close", close(fd));
    result("bad close", close(fd));
    result("bad pointer", write(copy, (void *)16, 5));
}
