/* Unpacks tar files and the layers of images. They come from anywhere: a link in one layer may lead the next
 * one's files to places of ours. So tar runs where nothing else can be written: in a root directory of its
 * own with the machine's programs, read-only, and the directory to fill. */
#include "image.h"
#include "commands.h"
#include "sandbox.h"

#include <xemu/log.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

/* Where the workshop's root directory is built: any directory will do, for nobody else sees it. */
#define WORKSHOP "/tmp"

static _Noreturn void die_of(const char *what, const char *path)
{
    die(STATUS_FAILED, "run-root: %s %s: %s", what, path, strerror(errno));
}

static void show_read_only(const char *path, const char *place)
{
    if (!bind_read_only(path, place))
        die_of("cannot show tar", path);
}

/* /usr, and /bin and so on, which may be links into it. */
static void show_programs(void)
{
    static const char *const places[] = {"/usr", "/bin", "/lib", "/lib64", "/etc"};
    char target[256];
    struct stat info;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char *place = text_of(WORKSHOP "%s", places[i]);
        ssize_t length = readlink(places[i], target, sizeof target - 1);
        if (length > 0) {
            target[length] = '\0';
            if (symlink(target, place))
                die_of("cannot link", place);
        } else if (stat(places[i], &info) == 0) {
            mkdir(place, 0755);
            show_read_only(places[i], place);
        }
        free(place);
    }
}

static void show_file(const char *path, const char *place)
{
    close(open(place, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    if (mount(path, place, NULL, MS_BIND, NULL))
        die_of("cannot show tar", path);
}

/* From here on /work is the directory to fill and /source what to unpack. */
static void enter_workshop(const char *source, const char *work)
{
    struct stat info;
    char *from = realpath(source, NULL), *to = realpath(work, NULL);
    if (unshare(CLONE_NEWNS))
        die_of("no mount namespace for", source);
    int from_fd = from ? open(from, O_PATH | O_CLOEXEC) : -1, to_fd = to ? open(to, O_PATH | O_CLOEXEC) : -1;
    if (from_fd < 0 || fstat(from_fd, &info))
        die_of("cannot open", source);
    if (to_fd < 0)
        die_of("cannot open", work);
    if (mount("tmpfs", WORKSHOP, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755"))
        die_of("cannot mount a file system at", WORKSHOP);
    show_programs();
    mkdir(WORKSHOP "/dev", 0755);
    show_file("/dev/null", WORKSHOP "/dev/null");
    mkdir(WORKSHOP "/work", 0755);
    if (S_ISDIR(info.st_mode))
        mkdir(WORKSHOP "/source", 0755);
    else
        close(open(WORKSHOP "/source", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    char *from_link = text_of("/proc/self/fd/%d", from_fd), *to_link = text_of("/proc/self/fd/%d", to_fd);
    if (mount(to_link, WORKSHOP "/work", NULL, MS_BIND, NULL))
        die_of("cannot show tar", work);
    show_read_only(from_link, WORKSHOP "/source");
    if (chroot(WORKSHOP) || chdir("/work"))
        die_of("cannot enter", WORKSHOP);
}

/* ---- inside ---- */

/* The first of tar's lines that says what is wrong; cut off in place. */
static const char *complaint(char *lines)
{
    struct statvfs fs;
    if (statvfs(".", &fs) == 0 && fs.f_bavail == 0)
        return "No space left on device";
    while (*lines == '\n' || (strncmp(lines, "tar: Removing leading", 21) == 0 && strchr(lines, '\n')))
        lines += strcspn(lines, "\n") + 1;
    lines[strcspn(lines, "\n")] = '\0';
    return lines;
}

static void must_run(char *const argv[], const char *what)
{
    char errors[4096];
    int status = run_collecting(argv, STDERR_FILENO, errors, sizeof errors);
    if (status == 127)
        die(STATUS_FAILED, "run-root: the program %s is needed and not installed", argv[0]);
    if (status)
        die(STATUS_FAILED, "run-root: %s cannot be unpacked: %s ended with %d: %s", what, argv[0], status,
            complaint(errors));
}

/* `shown` is what the user calls the archive. */
static void extract(const char *archive, const char *shown, const char *directory, bool all_owners)
{
    char *const argv[] = {"tar",
                          "--extract",
                          "--file",
                          (char *)archive,
                          "--directory",
                          (char *)directory,
                          "--numeric-owner",
                          "--preserve-permissions",
                          "--xattrs",
                          "--xattrs-include=security.capability",
                          "--exclude=.wh.*",
                          "--anchored",
                          "--exclude=dev/*",
                          "--exclude=./dev/*",
                          all_owners ? "--same-owner" : "--no-same-owner",
                          NULL};
    must_run(argv, shown);
}

/* Calls `each` with the names in the archive until it returns false. What is wrong with it extract() says. */
static void list_names(const char *archive, bool (*each)(char *name, void *context), void *context)
{
    char *command = text_of("exec tar --list --quoting-style=literal --file '%s' 2>/dev/null", archive),
         *line = NULL;
    size_t room = 0;
    FILE *names = popen(command, "re");
    if (!names)
        die_of("cannot run", "tar");
    for (ssize_t length; (length = getline(&line, &room, names)) > 0;) {
        line[length - 1] = '\0';
        if (!each(line[0] == '.' && line[1] == '/' ? line + 2 : line, context))
            break;
    }
    pclose(names);
    free(line);
    free(command);
}

static bool find_manifest(char *name, void *found)
{
    *(bool *)found =
        !strcmp(name, "manifest.json") || !strcmp(name, "oci-layout") || !strcmp(name, "index.json");
    return !*(bool *)found;
}

static void remove_tree(const char *path)
{
    char *const argv[] = {"rm", "-rf", "--", (char *)path, NULL};
    must_run(argv, path);
}

static void empty_directory(const char *path)
{
    DIR *directory = opendir(path);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char *name = text_of("%s/%s", path, entry->d_name);
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            remove_tree(name);
        free(name);
    }
    if (directory)
        closedir(directory);
}

/* A layer says by .wh.NAME that NAME of the layers below is gone, by .wh..wh..opq that all of a directory is.
 */
static bool apply_whiteout(char *name, void *root)
{
    char *slash = strrchr(name, '/'), *last = slash ? slash + 1 : name;
    if (strncmp(last, ".wh.", 4) != 0)
        return true;
    char *directory = text_of("%s/%.*s", (char *)root, (int)(last - name), name);
    if (strcmp(last, ".wh..wh..opq") == 0) {
        empty_directory(directory);
    } else if (strncmp(last + 4, ".wh.", 4) != 0 && strcmp(last + 4, "..") && last[4]) {
        char *path = text_of("%s/%s", directory, last + 4);
        remove_tree(path);
        free(path);
    }
    free(directory);
    return true;
}

static void unpack_layers(const char *directory, bool all_owners)
{
    static struct image image;
    image_read(&image, directory);
    for (size_t i = 0; image.layers[i]; i++) {
        char *layer = text_of("%s/%s", directory, image.layers[i]);
        if (strchr(layer, '\''))
            die(STATUS_FAILED, "the image is damaged: a layer is called %s", layer);
        list_names(layer, apply_whiteout, "root");
        extract(layer, image.layers[i], "root", all_owners);
        free(layer);
    }
}

static void unpack(const char *source, bool all_owners)
{
    struct stat info;
    bool is_image = false;
    if (mkdir("root", 0755) || mkdir("image", 0755) || stat("/source", &info))
        die_of("cannot make a directory in", "/work");
    if (S_ISDIR(info.st_mode)) {
        unpack_layers("/source", all_owners);
        return;
    }
    list_names("/source", find_manifest, &is_image);
    if (!is_image) {
        extract("/source", source, "root", all_owners);
        return;
    }
    extract("/source", source, "image", false);
    unpack_layers("image", all_owners);
}

bool image_unpack(const char *source, const char *work, bool all_owners)
{
    int status = -1;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        setenv("LC_ALL", "C", 1); /* for complaint() */
        enter_workshop(source, work);
        unpack(source, all_owners);
        exit(0);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0)
        die_of("cannot start", "tar");
    return status == 0;
}
