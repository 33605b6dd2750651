/*
 * Objects from C: everything an object-storage program does, against any store.
 *
 *   gcc -std=c99 -Wall -Wextra -Iinclude native/examples/objects.c -Lpython/s3dlio -ls3dlio \
 *       -Wl,-rpath,$PWD/python/s3dlio -o objects
 *   ./objects memory://demo '{}'
 *   ./objects file:///tmp/demo '{"durable":true}'
 *   ./objects s3://bucket '{"endpoint_url":"http://127.0.0.1:7480","region":"us-east-1",
 *                           "access_key_id":"…","secret_access_key":"…"}'
 *   ./objects az://account/container '{"account_key":"…"}'
 *
 * What the options of S3 and Azure do not say comes from the environment (AWS_ACCESS_KEY_ID, AWS_ENDPOINT_URL,
 * AZURE_STORAGE_KEY and so on). The bucket or container is made when it is not there, and left.
 *
 * Prints each step, checks every answer, and exits with 1 at the first that is wrong. What it writes lies below
 * "objects-c/" and is deleted at the end.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3dlio.h"

static const char *what = "start";

static void fail(const char *expected, int32_t found)
{
    s3dlio_error error = {.struct_size = sizeof error};
    fprintf(stderr, "objects: %s: expected %s, found %" PRId32 "\n", what, expected, found);
    if (s3dlio_last_error(&error) == S3DLIO_OK && error.message != NULL)
        fprintf(stderr, "objects: last error: %s\n", error.message);
    exit(1);
}

static void step(const char *name)
{
    what = name;
    printf("%s\n", name);
}

static void ok(int32_t status)
{
    if (status != S3DLIO_OK)
        fail("S3DLIO_OK", status);
}

static void check(int condition, const char *expected)
{
    if (!condition)
        fail(expected, 0);
}

/* The call must fail with this status, and leave this thread an error that says so. */
static void fails(int32_t status, int32_t expected, const char *name)
{
    s3dlio_error error = {.struct_size = sizeof error};
    if (status != expected)
        fail(name, status);
    ok(s3dlio_last_error(&error));
    check(error.kind == expected, "the last error to be of the same kind");
    check(error.message != NULL && error.uri != NULL && error.detail != NULL, "the last error to have words");
    printf("  as it should, it fails: %s\n", error.message);
}

static int is_text(const char *found, size_t length, const char *expected)
{
    return length == strlen(expected) && memcmp(found, expected, length) == 0;
}

static void versions(void)
{
    step("versions");
    check(s3dlio_abi_version() == S3DLIO_ABI_VERSION, "the ABI of this header");
    printf("  s3dlio %s, ABI %" PRIu32 "\n", s3dlio_version(), s3dlio_abi_version());
}

/* Waits as a program with other things to do would, and gives the result. */
static s3dlio_result wait_for(uint64_t op)
{
    s3dlio_result result = {.struct_size = sizeof result};
    int64_t done = 0, total = 0;
    int32_t status;
    while ((status = s3dlio_op_wait(op, 20)) == S3DLIO_PENDING)
        ok(s3dlio_op_progress(op, &done, &total));
    ok(status);
    ok(s3dlio_op_result(op, &result));
    return result;
}

static int is_cloud(const char *uri)
{
    return strncmp(uri, "s3://", 5) == 0 || strncmp(uri, "az://", 5) == 0;
}

/* True for the address of a whole bucket, container or memory store: the limit of a key counts the prefix. */
static int is_whole(const char *uri)
{
    int slashes = strncmp(uri, "az://", 5) == 0 ? 1 : 0;
    const char *at;
    if (strncmp(uri, "memory://", 9) != 0 && !is_cloud(uri))
        return 0;
    for (at = strstr(uri, "://") + 3; (at = strchr(at, '/')) != NULL && at[1] != 0; at++)
        slashes--;
    return slashes >= 0;
}

static void create_container(const char *uri, const char *options)
{
    uint64_t op = 0;
    if (!is_cloud(uri))
        return;
    step("create: the bucket or container");
    ok(s3dlio_container_create_begin(uri, options, &op));
    wait_for(op);
    ok(s3dlio_op_free(op));
}

static void *in_another_thread(void *store)
{
    s3dlio_error error = {.struct_size = sizeof error};
    ok(s3dlio_last_error(&error));
    check(error.kind == 0 && error.message == NULL, "no error in a new thread");
    fails(s3dlio_object_delete(*(uint64_t *)store, "objects-c/theirs", 16), S3DLIO_NOT_FOUND, "S3DLIO_NOT_FOUND");
    return NULL;
}

static void errors_of_threads(uint64_t store)
{
    s3dlio_error error = {.struct_size = sizeof error};
    pthread_t other;

    step("errors: each thread has its own");
    fails(s3dlio_object_delete(store, "objects-c/ours", 14), S3DLIO_NOT_FOUND, "S3DLIO_NOT_FOUND");
    check(pthread_create(&other, NULL, in_another_thread, &store) == 0 && pthread_join(other, NULL) == 0, "a thread");
    ok(s3dlio_last_error(&error));
    check(error.kind == S3DLIO_NOT_FOUND && strstr(error.message, "objects-c/ours") != NULL, "this thread's error, untouched");
}

static void upload_and_download(uint64_t store)
{
    enum { length = 3 * 1024 * 1024 + 17 };
    const char *key = "objects-c/large";
    const char *options = "{\"content_type\":\"application/x-demo\",\"metadata\":{\"made-by\":\"objects.c\"}}";
    unsigned char *sent = malloc(length), *got = malloc(length), *data;
    s3dlio_segment segments[3] = {{.struct_size = sizeof segments[0]}, {.struct_size = sizeof segments[0]}, {.struct_size = sizeof segments[0]}};
    s3dlio_result result;
    uint64_t op = 0, size = 0;
    size_t i;

    check(sent != NULL && got != NULL, "memory");
    for (i = 0; i < length; i++)
        sent[i] = (unsigned char)(i * 2654435761u >> 13);

    step("upload: one object from three pieces of memory");
    segments[0].data = sent;
    segments[0].length = 5;
    segments[1].data = sent + 5;
    segments[1].length = 0;
    segments[2].data = sent + 5;
    segments[2].length = length - 5;
    ok(s3dlio_object_put_begin(store, key, strlen(key), segments, 3, options, &op));
    result = wait_for(op);
    printf("  %s\n", result.json);
    check(strstr(result.json, "\"checksum\":\"crc32c:") != NULL, "the object's checksum");
    ok(s3dlio_op_free(op));
    ok(s3dlio_op_free(op));
    fails(s3dlio_op_wait(op, 0), S3DLIO_CLOSED, "S3DLIO_CLOSED");

    step("download: into memory of the operation");
    ok(s3dlio_object_get_begin(store, key, strlen(key), NULL, &op));
    result = wait_for(op);
    data = result.data;
    check(result.data_length == length && memcmp(data, sent, length) == 0, "the bytes that were sent");
    ok(s3dlio_op_free(op));

    step("download: into the caller's buffer");
    ok(s3dlio_object_get(store, key, strlen(key), got, length, &size));
    check(size == length && memcmp(got, sent, length) == 0, "the bytes that were sent");
    fails(s3dlio_object_get(store, key, strlen(key), got, length - 1, &size), S3DLIO_INVALID_ARGUMENT,
          "S3DLIO_INVALID_ARGUMENT");
    check(size == length, "the size that is needed");

    step("download: what is damaged is not handed out");
    ok(s3dlio_object_get_begin(store, key, strlen(key), "{\"expected_checksum\":\"crc32c:00000000\"}", &op));
    fails(s3dlio_op_wait(op, -1), S3DLIO_CHECKSUM_MISMATCH, "S3DLIO_CHECKSUM_MISMATCH");
    ok(s3dlio_op_free(op));

    step("range: exactly those bytes, into the caller's memory");
    memset(got, 0xAA, length);
    ok(s3dlio_object_get_range(store, key, strlen(key), 1000001, 77777, got + 3));
    check(memcmp(got + 3, sent + 1000001, 77777) == 0, "the bytes of the range");
    check(got[2] == 0xAA && got[3 + 77777] == 0xAA, "nothing written beside it");
    ok(s3dlio_object_get_range(store, key, strlen(key), length, 0, NULL));
    fails(s3dlio_object_get_range(store, key, strlen(key), length - 1, 2, got), S3DLIO_INVALID_ARGUMENT,
          "S3DLIO_INVALID_ARGUMENT");

    step("cancel and free at once: the memory is ours again");
    ok(s3dlio_object_get_range_begin(store, key, strlen(key), 0, length, got, NULL, &op));
    ok(s3dlio_op_cancel(op));
    ok(s3dlio_op_free(op));
    memset(got, 0, length);

    free(got);
    free(sent);
}

static void head(uint64_t store)
{
    const char *key = "objects-c/large", *missing = "objects-c/missing";
    s3dlio_meta meta = {.struct_size = sizeof meta};
    s3dlio_result result;
    int32_t there = -1;
    uint64_t op = 0;

    step("head: size, time, checksum, ETag");
    ok(s3dlio_object_head(store, key, strlen(key), &meta));
    printf("  %" PRIu64 " bytes, crc32c:%08" PRIx32 ", etag %s, %s\n", meta.size, meta.crc32c, meta.etag, meta.content_type);
    check(meta.size == 3 * 1024 * 1024 + 17, "the size");
    check(meta.last_modified > INT64_C(1700000000000000000), "a time after 2023");
    check(meta.etag[0] != 0, "an ETag");
    meta.struct_size = 0;
    fails(s3dlio_object_head(store, key, strlen(key), &meta), S3DLIO_INVALID_ARGUMENT, "S3DLIO_INVALID_ARGUMENT");

    step("head: the rest as JSON");
    ok(s3dlio_object_head_begin(store, key, strlen(key), &op));
    result = wait_for(op);
    check(strlen(result.json) == result.json_length, "the length of the JSON");
    if (meta.has_checksum) {
        /* a store that keeps the checksum keeps these as well; a file system without extended attributes has none */
        check(strstr(result.json, "\"metadata\":{\"made-by\":\"objects.c\"}") != NULL, "the metadata");
        check(strcmp(meta.content_type, "application/x-demo") == 0, "the content type");
    }
    ok(s3dlio_op_free(op));

    step("exists");
    ok(s3dlio_object_exists(store, key, strlen(key), &there));
    check(there == 1, "the object to be there");
    ok(s3dlio_object_exists(store, "objects-c", 9, &there));
    check(there == 1, "the path above it to be there");
    ok(s3dlio_object_exists(store, missing, strlen(missing), &there));
    check(there == 0, "the other not to be there");
    fails(s3dlio_object_head(store, missing, strlen(missing), &(s3dlio_meta){.struct_size = sizeof meta}), S3DLIO_NOT_FOUND,
          "S3DLIO_NOT_FOUND");
}

static void conditions(uint64_t store)
{
    const char *key = "objects-c/empty";
    s3dlio_meta meta = {.struct_size = sizeof meta};
    uint64_t size = 1;

    step("an object without a byte");
    ok(s3dlio_object_put(store, key, strlen(key), NULL, 0, NULL));
    ok(s3dlio_object_get(store, key, strlen(key), NULL, 0, &size));
    check(size == 0, "no bytes");
    ok(s3dlio_object_head(store, key, strlen(key), &meta));
    check(meta.size == 0 && meta.crc32c == 0, "no bytes, and their checksum");

    step("create or fail");
    fails(s3dlio_object_put(store, key, strlen(key), "x", 1, "{\"overwrite\":false}"), S3DLIO_ALREADY_EXISTS,
          "S3DLIO_ALREADY_EXISTS");

    step("a mistyped option is no default");
    fails(s3dlio_object_put(store, key, strlen(key), "x", 1, "{\"overwrit\":false}"), S3DLIO_INVALID_ARGUMENT,
          "S3DLIO_INVALID_ARGUMENT");
}

static void round_trip(uint64_t store, const char *key, size_t length)
{
    char got[16];
    uint64_t size = 0;
    ok(s3dlio_object_put(store, key, length, "odd", 3, NULL));
    ok(s3dlio_object_get(store, key, length, got, sizeof got, &size));
    check(is_text(got, (size_t)size, "odd"), "the bytes that were sent");
    ok(s3dlio_object_delete(store, key, length));
}

static int is_local(const char *uri)
{
    return strncmp(uri, "file://", 7) == 0 || strncmp(uri, "direct://", 9) == 0;
}

/* Azure takes '\\' for '/' and no control characters; a key that would become another one is refused. */
static int is_refused(const char *uri, const char *key)
{
    if (strncmp(uri, "az://", 5) != 0)
        return 0;
    for (; *key != 0; key++) {
        if ((unsigned char)*key < 0x20 || *key == 0x7f || *key == '\\')
            return 1;
    }
    return 0;
}

static void keys(uint64_t store, const char *uri)
{
    static const char *const odd[] = {
        "objects-c/odd/ space and\ttab", "objects-c/odd/new\nline", "objects-c/odd/%2e%2E?query#part", "objects-c/odd/\"quote\"\\",
        "objects-c/odd/\x01\x1f\x7f", "objects-c/odd/gr\xc3\xbc\xc3\x9f-\xe6\x97\xa5\xe6\x9c\xac-\xf0\x9f\x90\xa6", "objects-c/odd/*[a-z]~$HOME",
    };
    char longest[1025];
    size_t i;

    step("keys with odd bytes");
    for (i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        if (is_refused(uri, odd[i]))
            fails(s3dlio_object_put(store, odd[i], strlen(odd[i]), "odd", 3, NULL), S3DLIO_INVALID_ARGUMENT,
                  "S3DLIO_INVALID_ARGUMENT");
        else
            round_trip(store, odd[i], strlen(odd[i]));
    }
    fails(s3dlio_object_put(store, "a\0b", 3, "x", 1, NULL), S3DLIO_INVALID_ARGUMENT, "S3DLIO_INVALID_ARGUMENT");
    /* names of local files are bytes */
    if (is_local(uri))
        round_trip(store, "a\xff", 2);
    else
        fails(s3dlio_object_put(store, "a\xff", 2, "x", 1, NULL), S3DLIO_INVALID_ARGUMENT, "S3DLIO_INVALID_ARGUMENT");
    fails(s3dlio_object_put(store, "", 0, "x", 1, NULL), S3DLIO_INVALID_ARGUMENT, "S3DLIO_INVALID_ARGUMENT");

    memset(longest, 'k', sizeof longest);
    memcpy(longest, "objects-c/", 10);
    if (is_whole(uri)) {
        step("a key of 1,024 bytes, and one more");
        round_trip(store, longest, 1024);
        fails(s3dlio_object_put(store, longest, 1025, "x", 1, NULL), S3DLIO_INVALID_ARGUMENT, "S3DLIO_INVALID_ARGUMENT");
    } else if (is_local(uri)) {
        step("a name of 255 bytes, and one more");
        round_trip(store, longest, 10 + 255);
        fails(s3dlio_object_put(store, longest, 10 + 256, "x", 1, NULL), S3DLIO_INVALID_ARGUMENT, "S3DLIO_INVALID_ARGUMENT");
    }
}

static void copies(uint64_t store)
{
    char got[8];
    uint64_t op = 0, size = 0;
    int32_t there = -1;

    step("copy and rename");
    ok(s3dlio_object_put(store, "objects-c/a", 11, "abc", 3, NULL));
    ok(s3dlio_object_copy_begin(store, "objects-c/a", 11, store, "objects-c/b", 11, NULL, &op));
    wait_for(op);
    ok(s3dlio_op_free(op));
    ok(s3dlio_object_rename_begin(store, "objects-c/a", 11, store, "objects-c/c", 11, NULL, &op));
    wait_for(op);
    ok(s3dlio_op_free(op));
    ok(s3dlio_object_get(store, "objects-c/b", 11, got, sizeof got, &size));
    check(is_text(got, (size_t)size, "abc"), "the copy");
    ok(s3dlio_object_get(store, "objects-c/c", 11, got, sizeof got, &size));
    check(is_text(got, (size_t)size, "abc"), "the renamed one");
    ok(s3dlio_object_exists(store, "objects-c/a", 11, &there));
    check(there == 0, "the old name to be gone");
}

static void list(uint64_t store)
{
    enum { count = 25 };
    s3dlio_entry entry = {.struct_size = sizeof entry};
    s3dlio_result result;
    char key[64], last[64] = "";
    uint64_t cursor = 0, op = 0;
    int32_t status;
    int i, found = 0, folded = 0;

    step("list: everything below a path, seven at a time");
    for (i = 0; i < count; i++) {
        int length = snprintf(key, sizeof key, "objects-c/list/%d/%02d", i % 2, i);
        ok(s3dlio_object_put(store, key, (size_t)length, key, (uint64_t)length, NULL));
    }
    ok(s3dlio_list_open(store, "objects-c/list", 14, "{\"page_size\":7}", &cursor));
    while ((status = s3dlio_list_next(cursor, &entry)) == S3DLIO_OK) {
        check(!entry.is_prefix && entry.size == entry.key_length && entry.key[entry.key_length] == 0, "an object as it was put");
        check(strcmp(last, entry.key) < 0, "the keys in order");
        snprintf(last, sizeof last, "%s", entry.key);
        found++;
    }
    check(status == S3DLIO_END, "S3DLIO_END");
    check(s3dlio_list_next(cursor, &entry) == S3DLIO_END, "the end to stay the end");
    check(found == count, "every object once");
    ok(s3dlio_list_close(cursor));
    ok(s3dlio_list_close(cursor));
    fails(s3dlio_list_next(cursor, &entry), S3DLIO_CLOSED, "S3DLIO_CLOSED");

    step("list: one level, deeper ones folded");
    ok(s3dlio_list_open(store, "objects-c/list", 14, "{\"recursive\":false}", &cursor));
    while ((status = s3dlio_list_next(cursor, &entry)) == S3DLIO_OK) {
        check(entry.is_prefix == 1, "a prefix");
        printf("  %s\n", entry.key);
        folded++;
    }
    check(status == S3DLIO_END && folded == 2, "two prefixes, then the end");
    ok(s3dlio_list_close(cursor));

    step("list: a page as JSON");
    ok(s3dlio_list_open(store, "objects-c/list", 14, "{\"pattern\":\"^1/2[13]$\"}", &cursor));
    ok(s3dlio_list_page_begin(cursor, &op));
    result = wait_for(op);
    check(strstr(result.json, "objects-c/list/1/21") != NULL && strstr(result.json, "objects-c/list/1/23") != NULL, "what matches");
    check(strstr(result.json, "objects-c/list/0/") == NULL, "nothing else");
    ok(s3dlio_op_free(op));
    ok(s3dlio_list_close(cursor));
}

static void delete_all(uint64_t store)
{
    s3dlio_result result;
    uint64_t op = 0;
    int32_t there = -1;

    step("delete: one object");
    ok(s3dlio_object_delete(store, "objects-c/b", 11));
    fails(s3dlio_object_delete(store, "objects-c/b", 11), S3DLIO_NOT_FOUND, "S3DLIO_NOT_FOUND");

    step("delete: all below a path");
    ok(s3dlio_object_delete_begin(store, "objects-c", 9, "{\"recursive\":true}", &op));
    result = wait_for(op);
    printf("  %s objects\n", result.json);
    check(strcmp(result.json, "28") == 0, "25 of the listing, large, empty and c");
    ok(s3dlio_op_free(op));
    ok(s3dlio_object_exists(store, "objects-c", 9, &there));
    check(there == 0, "nothing left");
}

int main(int count, char **arguments)
{
    const char *uri = count > 1 ? arguments[1] : "memory://objects-c";
    const char *options = count > 2 ? arguments[2] : NULL;
    s3dlio_error error = {.struct_size = sizeof error};
    uint64_t store = 0;

    versions();
    ok(s3dlio_last_error(&error));
    check(error.kind == 0 && error.message == NULL, "no error yet");
    step("open");
    fails(s3dlio_store_open("nowhere://x", NULL, &store), S3DLIO_INVALID_ARGUMENT, "S3DLIO_INVALID_ARGUMENT");
    ok(s3dlio_store_open(uri, options, &store));
    create_container(uri, options);
    errors_of_threads(store);
    upload_and_download(store);
    head(store);
    conditions(store);
    keys(store, uri);
    copies(store);
    list(store);
    delete_all(store);
    step("close");
    ok(s3dlio_store_close(store));
    ok(s3dlio_store_close(store));
    fails(s3dlio_object_delete(store, "x", 1), S3DLIO_CLOSED, "S3DLIO_CLOSED");
    printf("all as it should be\n");
    return 0;
}
