/* Preloaded: pwrite and pwritev to an object in the making writes a part of what it is asked to, as it may for a signal, a network file system or
 * a disk that is nearly full, and after S3DLIO_TEST_ROOM bytes fails with the errno S3DLIO_TEST_ERRNO. The library asks dlsym for its
 * system calls, so dlsym is where it is met. With S3DLIO_TEST_STEP (a power of two) parts are multiples of it, as O_DIRECT's are. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static unsigned long long chance = 88172645463325252ULL;
static long long left = -2;

static long long number(const char *name, long long otherwise)
{
    const char *text = getenv(name);
    return text ? atoll(text) : otherwise;
}

static int is_object(int fd)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return strstr(path, "/.s3dlio-") != NULL;
}

static ssize_t short_pwrite(int fd, const void *data, size_t count, off_t at)
{
    if (!is_object(fd) || count == 0)
        return pwrite(fd, data, count, at);
    if (left == -2)
        left = number("S3DLIO_TEST_ROOM", -1);
    chance ^= chance << 13, chance ^= chance >> 7, chance ^= chance << 17;
    size_t step = (size_t)number("S3DLIO_TEST_STEP", 1), part = 1 + chance % count;
    part = (part + step - 1) / step * step;
    if (part > count)
        part = count;
    if (left >= 0 && part > (size_t)left) {
        if (left == 0 || step > 1) {
            errno = (int)number("S3DLIO_TEST_ERRNO", ENOSPC);
            return -1;
        }
        part = (size_t)left;
    }
    ssize_t written = pwrite(fd, data, part, at);
    if (left >= 0 && written > 0)
        left -= written;
    return written;
}

/* A part of the first piece that is not empty: what is written is never more than what was asked for, in any order. */
static ssize_t short_pwritev(int fd, const struct iovec *pieces, int count, off_t at)
{
    if (!is_object(fd))
        return pwritev(fd, pieces, count, at);
    for (int i = 0; i < count; i++)
        if (pieces[i].iov_len > 0)
            return short_pwrite(fd, pieces[i].iov_base, pieces[i].iov_len, at);
    return 0;
}

void *dlsym(void *library, const char *name)
{
    static void *(*real)(void *, const char *);
    if (!real)
        real = (void *(*)(void *, const char *))dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
    if (strcmp(name, "pwrite") == 0 || strcmp(name, "pwrite64") == 0)
        return (void *)short_pwrite;
    if (strcmp(name, "pwritev") == 0 || strcmp(name, "pwritev64") == 0)
        return (void *)short_pwritev;
    return real(library, name);
}
