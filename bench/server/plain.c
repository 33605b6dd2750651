/* A web server for benchmarks, faster than any client of it: objects lie in memory, signatures are not looked at, and what S3 asks
 * is answered as far as the contenders ask it. It serves 127.0.0.1 only, a thread for each connection.
 *
 *   plain            binds a free port, writes it and a newline to stdout, serves until stdin ends
 *
 *   PUT /keep/NAME   stores an object                          PUT /sink/NAME   takes the bytes and drops them
 *   GET, HEAD        with an ETag that is no MD5, which some would check; with Range; the CRC32C that came with the object goes out with the whole of it when it is asked for
 *   POST ?uploads, PUT ?partNumber, POST ?uploadId             a multipart upload, into /sink
 *   GET /list?list-type=2                                      100,000 invented objects, a thousand to a page
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HEAD = 16 << 10, BUCKETS = 1 << 14, LISTED = 100000, PAGE = 1000 };

typedef struct object {
    struct object *next;
    char *name;
    long size;
    int file;        /* in memory, so that it can be sent without a copy on our side */
    char *bytes;     /* the same, mapped */
    char crc[16];    /* base64, or empty */
    char note[32];   /* x-amz-meta-s3dlio-crc32c, or empty */
} object;

static object *table[BUCKETS];
static pthread_rwlock_t gate = PTHREAD_RWLOCK_INITIALIZER;

static unsigned slot(const char *name)
{
    unsigned hash = 2166136261u;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 16777619u;
    return hash % BUCKETS;
}

static object *find(const char *name)
{
    pthread_rwlock_rdlock(&gate);
    object *found = table[slot(name)];
    while (found && strcmp(found->name, name))
        found = found->next;
    pthread_rwlock_unlock(&gate);
    return found;
}

/* Objects are never freed: a reader of the old one may still be sending it. */
static void place(object *made)
{
    pthread_rwlock_wrlock(&gate);
    unsigned at = slot(made->name);
    made->next = table[at];
    table[at] = made;
    pthread_rwlock_unlock(&gate);
}

static int send_all(int to, const char *bytes, long length, int flags)
{
    while (length > 0) {
        ssize_t sent = send(to, bytes, length, flags | MSG_NOSIGNAL);
        if (sent <= 0)
            return -1;
        bytes += sent, length -= sent;
    }
    return 0;
}

static int answer(int to, const char *status, const char *headers, const char *body)
{
    char text[HEAD];
    int length = snprintf(text, sizeof text, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body);
    return send_all(to, text, length, 0);
}

/* A header's value in [head, end), NUL-terminated in place; null where there is none. */
static const char *header(char *head, const char *name, char *out, size_t room)
{
    size_t length = strlen(name);
    for (char *line = strchr(head, '\n'); line && line[1] != '\r'; line = strchr(line + 1, '\n')) {
        if (strncasecmp(line + 1, name, length) || line[1 + length] != ':')
            continue;
        char *value = line + 2 + length;
        value += strspn(value, " ");
        size_t count = strcspn(value, "\r");
        if (count >= room)
            return NULL;
        memcpy(out, value, count);
        out[count] = 0;
        return out;
    }
    return NULL;
}

static int get(int to, char *head, const char *name, int with_body)
{
    object *found = find(name);
    if (!found)
        return answer(to, "404 Not Found", "", with_body ? "<Error><Code>NoSuchKey</Code><Message>no such object</Message></Error>" : "");
    long begin = 0, end = found->size - 1;
    char value[128], text[1024];
    int partial = header(head, "range", value, sizeof value) && sscanf(value, "bytes=%ld-%ld", &begin, &end) >= 1;
    if (partial && begin >= found->size)
        return answer(to, "416 Range Not Satisfiable", "", "");
    if (end >= found->size)
        end = found->size - 1;
    long length = end - begin + 1;
    int at = snprintf(text, sizeof text,
        "HTTP/1.1 %s\r\nContent-Length: %ld\r\nContent-Type: application/octet-stream\r\nAccept-Ranges: bytes\r\n"
        "ETag: \"0123456789abcdef0123456789abcdef-1\"\r\nLast-Modified: Fri, 01 Mar 2024 10:00:00 GMT\r\n"
        "Date: Fri, 01 Mar 2024 10:00:00 GMT\r\nx-amz-request-id: tx0000000000000000000001\r\n",
        partial ? "206 Partial Content" : "200 OK", length);
    if (partial)
        at += snprintf(text + at, sizeof text - at, "Content-Range: bytes %ld-%ld/%ld\r\n", begin, end, found->size);
    else if (found->crc[0] && header(head, "x-amz-checksum-mode", value, sizeof value))
        at += snprintf(text + at, sizeof text - at, "x-amz-checksum-crc32c: %s\r\nx-amz-checksum-type: FULL_OBJECT\r\n", found->crc);
    if (found->note[0])
        at += snprintf(text + at, sizeof text - at, "x-amz-meta-s3dlio-crc32c: %s\r\n", found->note);
    at += snprintf(text + at, sizeof text - at, "\r\n");
    if (!with_body || length <= 0)
        return send_all(to, text, at, 0);
    if (length <= 64 << 10) {
        struct iovec parts[2] = {{text, at}, {found->bytes + begin, length}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t sent = sendmsg(to, &message, MSG_NOSIGNAL);
        if (sent < at)
            return -1;
        return send_all(to, found->bytes + begin + (sent - at), length - (sent - at), 0);
    }
    if (send_all(to, text, at, MSG_MORE))
        return -1;
    for (off_t from = begin; from <= end;)
        if (sendfile(to, found->file, &from, end + 1 - from) <= 0)
            return -1;
    return 0;
}

/* Takes a body whose first bytes came with the head. */
static int put(int from, char *head, const char *name, long length, const char *early, long early_length)
{
    char headers[128] = "ETag: \"0123456789abcdef0123456789abcdef\"\r\n", crc[16] = "";
    if (!header(head, "x-amz-checksum-crc32c", crc, sizeof crc))
        crc[0] = 0;
    if (crc[0])
        snprintf(headers + strlen(headers), sizeof headers - strlen(headers), "x-amz-checksum-crc32c: %s\r\n", crc);
    if (strncmp(name, "/keep/", 6)) {
        for (long left = length - early_length; left > 0;) {
            /* a TCP socket drops them without a copy */
            ssize_t got = recv(from, NULL, left < 4 << 20 ? left : 4 << 20, MSG_TRUNC);
            if (got <= 0)
                return -1;
            left -= got;
        }
        return answer(from, "200 OK", headers, "");
    }
    object *made = calloc(1, sizeof *made);
    made->name = strdup(name);
    made->size = length;
    strcpy(made->crc, crc);
    if (!header(head, "x-amz-meta-s3dlio-crc32c", made->note, sizeof made->note))
        made->note[0] = 0;
    if (length > 64 << 10) {
        made->file = memfd_create("object", 0);
        if (made->file < 0 || ftruncate(made->file, length))
            return -1;
        made->bytes = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, made->file, 0);
        if (made->bytes == MAP_FAILED)
            return -1;
    } else {
        made->bytes = malloc(length + 1);
    }
    memcpy(made->bytes, early, early_length);
    for (long at = early_length; at < length;) {
        ssize_t got = recv(from, made->bytes + at, length - at, 0);
        if (got <= 0)
            return -1;
        at += got;
    }
    place(made);
    return answer(from, "200 OK", headers, "");
}

static int list(int to, const char *query)
{
    const char *token = strstr(query, "continuation-token=");
    int begin = token ? atoi(token + 19) : 0, end = begin + PAGE < LISTED ? begin + PAGE : LISTED;
    char *body = malloc(PAGE * 320 + 1024);
    int at = sprintf(body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
        "<Name>list</Name><Prefix></Prefix><KeyCount>%d</KeyCount><MaxKeys>%d</MaxKeys><IsTruncated>%s</IsTruncated>",
        end - begin, PAGE, end < LISTED ? "true" : "false");
    if (strstr(query, "encoding-type=url"))
        at += sprintf(body + at, "<EncodingType>url</EncodingType>");
    if (end < LISTED)
        at += sprintf(body + at, "<NextContinuationToken>%d</NextContinuationToken>", end);
    for (int i = begin; i < end; i++)
        at += sprintf(body + at, "<Contents><Key>train/shard-%08d.tar</Key><LastModified>2024-03-01T10:00:00.000Z</LastModified>"
            "<ETag>&quot;0123456789abcdef0123456789abcdef&quot;</ETag><Size>%d</Size><StorageClass>STANDARD</StorageClass></Contents>", i, 1000 + i);
    at += sprintf(body + at, "</ListBucketResult>");
    char head[128];
    int length = sprintf(head, "HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n", at);
    int failed = send_all(to, head, length, MSG_MORE) || send_all(to, body, at, 0);
    free(body);
    return failed;
}

/* One request whose head is complete. Returns the bytes of the buffer that it used, or -1. */
static long serve(int peer, char *buffer, long head_length, long have)
{
    char keep = buffer[head_length - 1], value[64], name[2048], method[16], target[2048];
    buffer[head_length - 1] = 0;
    if (sscanf(buffer, "%15s %2047s", method, target) != 2)
        return -1;
    char *query = strchr(target, '?');
    if (query)
        *query++ = 0;
    else
        query = target + strlen(target);
    strcpy(name, target);
    long length = header(buffer, "content-length", value, sizeof value) ? atol(value) : 0;
    if (length && header(buffer, "expect", value, sizeof value) && send_all(peer, "HTTP/1.1 100 Continue\r\n\r\n", 25, 0))
        return -1;
    long early = have - head_length < length ? have - head_length : length;
    int failed;
    if (!strncmp(query, "attributes", 10))
        failed = answer(peer, "501 Not Implemented", "", "<Error><Code>NotImplemented</Code><Message>no attributes</Message></Error>");
    else if (!strcmp(method, "GET") && strstr(query, "list-type=2"))
        failed = list(peer, query);
    else if (!strcmp(method, "GET") || !strcmp(method, "HEAD"))
        failed = get(peer, buffer, name, method[0] == 'G');
    else if (!strcmp(method, "PUT"))
        failed = put(peer, buffer, name, length, buffer + head_length, early);
    else if (!strcmp(method, "POST")) {
        for (long left = length - early; left > 0;) {
            ssize_t got = recv(peer, NULL, left, MSG_TRUNC);
            if (got <= 0)
                return -1;
            left -= got;
        }
        failed = answer(peer, "200 OK", "Content-Type: application/xml\r\n", strstr(query, "uploads")
            ? "<InitiateMultipartUploadResult><UploadId>upload-1</UploadId></InitiateMultipartUploadResult>"
            : "<CompleteMultipartUploadResult><ETag>\"0123456789abcdef0123456789abcdef-1\"</ETag></CompleteMultipartUploadResult>");
    } else
        failed = answer(peer, "204 No Content", "", "");
    buffer[head_length - 1] = keep;
    return failed ? -1 : head_length + early;
}

static void *connection(void *given)
{
    int peer = (int)(long)given, yes = 1;
    setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    char *buffer = malloc(HEAD + 1);
    long have = 0;
    while (1) {
        buffer[have] = 0;
        char *end = have ? memmem(buffer, have, "\r\n\r\n", 4) : NULL;
        if (end) {
            long used = serve(peer, buffer, end - buffer + 4, have);
            if (used < 0)
                break;
            memmove(buffer, buffer + used, have - used);
            have -= used;
            continue;
        }
        /* a head that fills the buffer leaves no room to read into: that ends it */
        ssize_t got = recv(peer, buffer + have, HEAD - have, 0);
        if (got <= 0)
            break;
        have += got;
    }
    free(buffer);
    close(peer);
    return NULL;
}

static void *until_stdin_ends(void *nothing)
{
    char byte;
    while (read(0, &byte, 1) > 0)
        ;
    _exit(0);
    return nothing;
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof place;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&place, sizeof place) || listen(listener, 1024) || getsockname(listener, (struct sockaddr *)&place, &length)) {
        perror("plain");
        return 1;
    }
    printf("%d\n", ntohs(place.sin_port));
    fflush(stdout);
    pthread_attr_t detached;
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&detached, 256 << 10);
    pthread_t thread;
    pthread_create(&thread, &detached, until_stdin_ends, NULL);
    while (1) {
        int peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (peer >= 0 && pthread_create(&thread, &detached, connection, (void *)(long)peer))
            close(peer);
    }
}
