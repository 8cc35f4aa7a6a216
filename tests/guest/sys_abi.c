/* Structures and flags that differ between architectures arrive right. */
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>

#include "check.h"

static void open_flags(void)
{
    mkdir("dir", 0755);
    close(open("file", O_CREAT | O_RDWR, 0644));
    symlink("file", "link");
    CHECK_ERRNO(open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_ERRNO(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK_ERRNO(open("dir", O_RDWR), EISDIR);
    int directory = open("dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(directory >= 0, 1);
    CHECK(fcntl(directory, F_GETFD), FD_CLOEXEC);
    CHECK(fcntl(directory, F_GETFL) & O_DIRECTORY, O_DIRECTORY);
    int path = open("link", O_PATH | O_NOFOLLOW);
    struct stat info;
    CHECK(fstat(path, &info), 0);
    CHECK(S_ISLNK(info.st_mode), 1);
    int file = openat(directory, "../file", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOATIME);
    CHECK(fcntl(file, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_NOATIME),
          O_WRONLY | O_APPEND | O_NONBLOCK | O_NOATIME);
    CHECK(fcntl(file, F_SETFL, O_WRONLY | O_NONBLOCK), 0);
    CHECK(fcntl(file, F_GETFL) & O_APPEND, 0);
    int temporary = open(".", O_TMPFILE | O_RDWR, 0600);
    if (temporary >= 0) { /* not every file system can */
        CHECK(fstat(temporary, &info), 0);
        CHECK(info.st_nlink, 0);
    }
    int direct = open("file", O_RDWR | O_DIRECT);
    if (direct >= 0)
        CHECK(fcntl(direct, F_GETFL) & O_DIRECT, O_DIRECT);
    struct {
        unsigned long flags, mode, resolve;
    } how = {O_RDONLY | O_DIRECTORY};
    int by_how = syscall(SYS_openat2, AT_FDCWD, "dir", &how, sizeof how);
    CHECK(by_how >= 0, 1);
    CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "file", &how, sizeof how), ENOTDIR);
    CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "file", &how, 8), EINVAL);
    struct {
        typeof(how) how;
        uint64_t more;
    } longer = {how, 0};
    int by_longer = syscall(SYS_openat2, AT_FDCWD, "dir", &longer, sizeof longer);
    CHECK(by_longer > 0, 1);
    close(by_longer);
    longer.more = 1;
    CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "dir", &longer, sizeof longer), E2BIG);
    CHECK_ERRNO(syscall(SYS_openat2, AT_FDCWD, "dir", 16, sizeof longer), EFAULT);
    int packets[2];
    CHECK(pipe2(packets, O_DIRECT | O_CLOEXEC | O_NONBLOCK), 0);
    CHECK(fcntl(packets[1], F_GETFL) & (O_DIRECT | O_NONBLOCK), O_DIRECT | O_NONBLOCK);
    char two[10];
    write(packets[1], "ab", 2);
    write(packets[1], "cd", 2);
    CHECK(read(packets[0], two, 10), 2); /* a packet each */
}

static void stat_fields(void)
{
    struct stat info, same;
    struct statx extended;
    int fd = open("sized", O_CREAT | O_RDWR | O_TRUNC, 0640);
    struct timespec times[2] = {{1000000001, 123456789}, {2000000002, 987654321}};
    ftruncate(fd, 0x123456789);
    fchmod(fd, 04640);
    CHECK(futimens(fd, times), 0);
    CHECK(fstat(fd, &info), 0);
    CHECK(info.st_size, 0x123456789);
    CHECK(info.st_mode, S_IFREG | 04640);
    CHECK(info.st_nlink, 1);
    CHECK(info.st_uid, getuid());
    CHECK(info.st_gid, getegid());
    CHECK(info.st_atim.tv_sec, 1000000001);
    CHECK(info.st_atim.tv_nsec, 123456789);
    CHECK(info.st_mtim.tv_sec, 2000000002);
    CHECK(info.st_mtim.tv_nsec, 987654321);
    CHECK(info.st_blksize >= 512, 1);
    CHECK(stat("sized", &same), 0);
    CHECK(same.st_ino, info.st_ino);
    CHECK(same.st_dev, info.st_dev);
    CHECK(fstatat(AT_FDCWD, "sized", &same, AT_SYMLINK_NOFOLLOW), 0);
    CHECK(same.st_ctim.tv_nsec, info.st_ctim.tv_nsec);
    CHECK(fstatat(fd, "", &same, AT_EMPTY_PATH), 0);
    CHECK(same.st_size, info.st_size);
    CHECK(statx(AT_FDCWD, "sized", 0, STATX_BASIC_STATS, &extended), 0);
    CHECK(extended.stx_size, info.st_size);
    CHECK(extended.stx_ino, info.st_ino);
    CHECK(makedev(extended.stx_dev_major, extended.stx_dev_minor), info.st_dev);
    CHECK(stat("/dev/null", &info), 0);
    CHECK(info.st_rdev, makedev(1, 3));
    CHECK(S_ISCHR(info.st_mode), 1);
    CHECK_ERRNO(fstat(fd, (void *)8), EFAULT);
    CHECK_ERRNO(fstat(-1, &info), EBADF);
    struct statfs fs;
    CHECK(statfs("/proc", &fs), 0);
    CHECK(fs.f_type, 0x9fa0);
    CHECK(fs.f_namelen, 255);
}

static void epoll_data(void)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC), fds[40];
    struct epoll_event event, events[64];
    unsigned long sum = 0;
    for (int i = 0; i < 40; i++) {
        fds[i] = eventfd(1, EFD_NONBLOCK);
        event = (struct epoll_event){EPOLLIN | EPOLLET, {.u64 = 0x1122334400000000ul + i}};
        CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event), 0);
    }
    CHECK(epoll_wait(epoll, events, 64, 0), 40);
    for (int i = 0; i < 40; i++) {
        CHECK(events[i].events, EPOLLIN);
        CHECK(events[i].data.u64 >> 32, 0x11223344);
        sum += (unsigned)events[i].data.u64;
    }
    CHECK(sum, 39 * 40 / 2);
    CHECK(epoll_wait(epoll, events, 64, 0), 0); /* edges */
    CHECK(epoll_ctl(epoll, EPOLL_CTL_DEL, fds[0], NULL), 0);
    CHECK_ERRNO(epoll_ctl(epoll, EPOLL_CTL_ADD, fds[1], &event), EEXIST);
    CHECK_ERRNO(epoll_ctl(epoll, EPOLL_CTL_MOD, fds[1], (void *)8), EFAULT);
    CHECK_ERRNO(epoll_wait(epoll, events, 0, 0), EINVAL);
    CHECK_ERRNO(epoll_wait(epoll, events, -1, 0), EINVAL);
    event = (struct epoll_event){EPOLLIN, {.u64 = 5}};
    epoll_ctl(epoll, EPOLL_CTL_MOD, fds[1], &event);
    CHECK_ERRNO(epoll_wait(epoll, (void *)8, 4, 0), EFAULT);
    CHECK_ERRNO(epoll_wait(fds[0], events, 4, 0), EINVAL);
    CHECK_ERRNO(epoll_wait(-1, events, 4, 0), EBADF);
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    close(epoll);
}

static void semaphores(void)
{
    union {
        int value;
        struct semid_ds *info;
        unsigned short *array;
    } arg;
    struct semid_ds info;
    unsigned short values[5] = {1, 2, 3, 4, 5}, got[5];
    int id = semget(IPC_PRIVATE, 5, IPC_CREAT | 0600);
    arg.array = values;
    CHECK(semctl(id, 0, SETALL, arg), 0);
    arg.array = got;
    CHECK(semctl(id, 0, GETALL, arg), 0);
    CHECK(got[4], 5);
    memset(&info, 0xff, sizeof info);
    arg.info = &info;
    CHECK(semctl(id, 0, IPC_STAT, arg), 0);
    CHECK(info.sem_nsems, 5);
    CHECK(info.sem_perm.mode & 0777, 0600);
    CHECK(info.sem_ctime > 1000000000 && info.sem_ctime < 5000000000, 1);
    CHECK(info.sem_otime, 0);
    info.sem_perm.mode = 0640;
    CHECK(semctl(id, 0, IPC_SET, arg), 0);
    CHECK(semctl(id, 0, IPC_STAT, arg), 0);
    CHECK(info.sem_perm.mode & 0777, 0640);
    struct sembuf op = {1, -2, IPC_NOWAIT};
    CHECK(semop(id, &op, 1), 0);
    CHECK_ERRNO(semop(id, &op, 1), EAGAIN);
    CHECK(semctl(id, 1, GETVAL), 0);
    CHECK(semctl(id, 0, IPC_RMID), 0);
}

static void messages(void)
{
    struct {
        long type;
        char text[8];
    } message = {7, "hello"};
    struct msqid_ds info;
    int id = msgget(IPC_PRIVATE, IPC_CREAT | 0600);
    CHECK(msgsnd(id, &message, 6, 0), 0);
    CHECK(msgctl(id, IPC_STAT, &info), 0);
    CHECK(info.msg_qnum, 1);
    CHECK(info.msg_lspid, getpid());
    CHECK(msgrcv(id, &message, 8, 7, 0), 6);
    CHECK_ERRNO(msgrcv(id, &message, 8, 7, IPC_NOWAIT), ENOMSG);
    CHECK(msgctl(id, IPC_RMID, NULL), 0);
}

static void locks(void)
{
    int fd = open("locked", O_CREAT | O_RDWR, 0600);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 20};
    CHECK(fcntl(fd, F_SETLK, &lock), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct flock query = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 100};
        CHECK(fcntl(fd, F_GETLK, &query), 0);
        CHECK(query.l_type, F_WRLCK);
        CHECK(query.l_start, 10);
        CHECK(query.l_len, 20);
        CHECK(query.l_pid, getppid());
        CHECK_ERRNO(fcntl(fd, F_SETLK, &query), EAGAIN);
        fflush(stdout);
        _exit(check_failures != 0);
    }
    int status;
    waitpid(pid, &status, 0);
    CHECK(status, 0);
    CHECK(fcntl(fd, F_OFD_GETLK, &lock) == 0 || errno == EINVAL, 1);
}

static void socket_messages(void)
{
    int pair[2], passed = open("file", O_RDONLY), got = -1;
    char byte = 'x', control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    *head = (struct cmsghdr){
        .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(head), &passed, sizeof passed);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair);
    CHECK(sendmsg(pair[0], &message, 0), 1);
    memset(control, 0, sizeof control);
    CHECK(recvmsg(pair[1], &message, MSG_CMSG_CLOEXEC), 1);
    memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
    CHECK(fcntl(got, F_GETFD), FD_CLOEXEC);
    struct ucred peer;
    socklen_t size = sizeof peer;
    CHECK(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &peer, &size), 0);
    CHECK(peer.pid, getpid());
}

static void terminals(void)
{
    struct termios mode;
    struct winsize size = {25, 80, 0, 0}, got;
    int master = posix_openpt(O_RDWR | O_NOCTTY), number = -1, unread = -1;
    if (master < 0)
        return; /* no pseudo-terminals here */
    CHECK(unlockpt(master), 0);
    CHECK(ioctl(master, TIOCGPTN, &number), 0);
    CHECK(ioctl(master, TIOCSWINSZ, &size), 0);
    CHECK(ioctl(master, TIOCGWINSZ, &got), 0);
    CHECK(got.ws_col, 80);
    CHECK(tcgetattr(master, &mode), 0);
    CHECK(mode.c_lflag & ECHO, ECHO);
    cfmakeraw(&mode);
    CHECK(tcsetattr(master, TCSANOW, &mode), 0);
    CHECK(tcgetattr(master, &mode), 0);
    CHECK(mode.c_lflag & ECHO, 0);
    CHECK(mode.c_cc[VMIN], 1);
    int slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    write(master, "abc", 3);
    struct pollfd arrival = {slave, POLLIN};
    CHECK(poll(&arrival, 1, 5000), 1); /* it goes through a queue */
    CHECK(ioctl(slave, FIONREAD, &unread), 0);
    CHECK(unread, 3);
    CHECK_ERRNO(ioctl(open("file", O_RDONLY), TCGETS, &mode), ENOTTY);
}

static void system_facts(void)
{
    struct utsname names;
    struct rlimit limit, other;
    struct sysinfo info;
    struct rusage usage;
    struct tms ticks;
    CHECK(uname(&names), 0);
#ifdef __aarch64__
    CHECK(strcmp(names.machine, "aarch64"), 0);
#endif
    CHECK(strcmp(names.sysname, "Linux"), 0);
    CHECK(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = 500;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK(prlimit(getpid(), RLIMIT_NOFILE, NULL, &other), 0);
    CHECK(other.rlim_cur, 500);
    CHECK(getrlimit(RLIMIT_AS, &limit), 0);
    limit.rlim_cur = 1ul << 34;
    CHECK(setrlimit(RLIMIT_AS, &limit), 0);
    CHECK(getrlimit(RLIMIT_AS, &other), 0);
    CHECK(other.rlim_cur, 1ul << 34);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_AS, &limit);
    CHECK_ERRNO(getrlimit(99, &limit), EINVAL);
    CHECK(sysinfo(&info), 0);
    CHECK(info.totalram > 1 << 20, 1);
    CHECK(getrusage(RUSAGE_SELF, &usage), 0);
    CHECK(usage.ru_maxrss > 0, 1);
    CHECK(times(&ticks) != -1, 1);
    CHECK(prctl(PR_SET_NAME, "renamed"), 0);
    char name[16];
    CHECK(prctl(PR_GET_NAME, name), 0);
    CHECK(strcmp(name, "renamed"), 0);
    CHECK(syscall(9999) == -1 && errno == ENOSYS, 1);
}

int main(void)
{
    char directory[] = "/tmp/abiXXXXXX", command[64];
    if (!mkdtemp(directory) || chdir(directory))
        return 1;
    open_flags();
    stat_fields();
    epoll_data();
    semaphores();
    messages();
    locks();
    socket_messages();
    terminals();
    system_facts();
    snprintf(command, sizeof command, "rm -rf %s", directory);
    chdir("/");
    system(command);
    return check_end();
}
