/* Socket pairs, TCP over loopback, poll, select, epoll, descriptors over a socket. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* C leaves open in which order arguments are evaluated: a call and its errno need a statement each. */
static void result(const char *what, long value)
{
    printf("%s %ld %s\n", what, value, value < 0 ? strerror(errno) : "");
}

static void tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    char text[100] = "";
    int one = 1, server = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    printf("bind %d ", bind(server, (struct sockaddr *)&address, size));
    printf("listen %d ", listen(server, 5));
    printf("name %d\n", getsockname(server, (struct sockaddr *)&address, &size));
    fflush(stdout);
    if (fork() == 0) {
        int client = socket(AF_INET, SOCK_STREAM, 0);
        connect(client, (struct sockaddr *)&address, size);
        send(client, "ping", 4, 0);
        recv(client, text, sizeof text, 0);
        printf("client got %s\n", text);
        fflush(stdout);
        _exit(0);
    }
    struct sockaddr_in peer;
    socklen_t peer_size = sizeof peer;
    int connection = accept4(server, (struct sockaddr *)&peer, &peer_size, SOCK_CLOEXEC);
    printf("peer %s, ", inet_ntoa(peer.sin_addr));
    recv(connection, text, sizeof text, 0);
    printf("server got %s\n", text);
    fflush(stdout);
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    send(connection, "pong", 5, MSG_NOSIGNAL);
    wait(NULL);
    int error = -1;
    size = sizeof error;
    result("getsockopt", getsockopt(connection, SOL_SOCKET, SO_ERROR, &error, &size));
    printf("SO_ERROR %d\n", error);
    close(connection);
    close(server);
}

static void pass_descriptor(void)
{
    int pair[2], ends[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    pipe(ends);
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
    struct iovec part = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &ends[1], sizeof(int));
    printf("sendmsg %zd\n", sendmsg(pair[0], &message, 0));
    memset(control, 0, sizeof control);
    printf("recvmsg %zd\n", recvmsg(pair[1], &message, 0));
    int received;
    memcpy(&received, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    write(received, "passed", 7);
    char text[10];
    read(ends[0], text, sizeof text);
    printf("descriptor %s\n", text);
}

static void waiting(void)
{
    int ends[2];
    pipe(ends);
    struct pollfd polled[2] = {{ends[0], POLLIN, 0}, {ends[1], POLLOUT, 0}};
    result("poll", poll(polled, 2, 0));
    printf("%x %x\n", polled[0].revents, polled[1].revents);
    write(ends[1], "abc", 3);
    result("poll", poll(polled, 2, 100));
    printf("%x %x\n", polled[0].revents, polled[1].revents);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    struct timeval timeout = {1, 0};
    result("select", select(ends[0] + 1, &set, NULL, NULL, &timeout));
    printf("set %d\n", FD_ISSET(ends[0], &set));

    int instance = epoll_create1(EPOLL_CLOEXEC), events = eventfd(3, 0);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdef0};
    printf("epoll_ctl %d", epoll_ctl(instance, EPOLL_CTL_ADD, ends[0], &event));
    event.data.u64 = 0x0fedcba987654321;
    printf(" %d\n", epoll_ctl(instance, EPOLL_CTL_ADD, events, &event));
    struct epoll_event got[4];
    int n = epoll_wait(instance, got, 4, 1000);
    unsigned long sum = 0;
    for (int i = 0; i < n; i++)
        sum += got[i].data.u64 * (got[i].events == EPOLLIN);
    printf("epoll_wait %d, data %lx\n", n, sum);
    unsigned long value;
    read(events, &value, sizeof value);
    printf("eventfd %lu, nothing more %d\n", value, epoll_wait(instance, got, 1, 0));
    result("twice", epoll_ctl(instance, EPOLL_CTL_ADD, ends[0], &event));
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    tcp();
    pass_descriptor();
    waiting();
    struct sockaddr_un local = {.sun_family = AF_UNIX, .sun_path = "socket"};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    result("unix bind", bind(fd, (struct sockaddr *)&local, sizeof local));
    result("again", bind(socket(AF_UNIX, SOCK_DGRAM, 0), (struct sockaddr *)&local, sizeof local));
}
