/*
 * A log from C: records are appended, one by one and in a batch, committed, read by number and in order by a second opening, followed, and
 * truncated; a cursor remembers how far a consumer was. It is inspected and checked, and its sealed segments are uploaded and read there.
 *
 *   gcc -std=c99 -Wall -Wextra -Iinclude native/examples/log.c -Lpython/s3dlio -ls3dlio \
 *       -Wl,-rpath,$PWD/python/s3dlio -o log
 *   ./log /tmp/a/log
 *
 * Prints each step, checks every answer, and exits with 1 at the first that is wrong. The directory must not be a log yet.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "s3dlio.h"

static const char *what = "start";

static void fail(const char *expected, int32_t found)
{
    s3dlio_error error = {.struct_size = sizeof error};
    fprintf(stderr, "log: %s: expected %s, found %" PRId32 "\n", what, expected, found);
    if (s3dlio_last_error(&error) == S3DLIO_OK && error.message != NULL)
        fprintf(stderr, "log: last error: %s\n", error.message);
    exit(1);
}

static void step(const char *name)
{
    what = name;
    printf("%s\n", name);
}

static void is(int32_t status, int32_t expected, const char *name)
{
    if (status != expected)
        fail(name, status);
}

static void ok(int32_t status)
{
    is(status, S3DLIO_OK, "S3DLIO_OK");
}

static void check(int condition, const char *expected)
{
    if (!condition)
        fail(expected, 0);
}

/* What stands behind a member's name in an operation's JSON; the operation stays. */
static const char *member(uint64_t op, const char *name)
{
    s3dlio_result result = {.struct_size = sizeof result};
    char pattern[64];
    const char *at;
    ok(s3dlio_op_wait(op, -1));
    ok(s3dlio_op_result(op, &result));
    snprintf(pattern, sizeof pattern, "\"%s\":", name);
    at = strstr(result.json, pattern);
    check(at != NULL, name);
    return at + strlen(pattern);
}

static int64_t number(uint64_t op, const char *name)
{
    return (int64_t)strtoll(member(op, name), NULL, 10);
}

static int64_t finish(uint64_t op, const char *name)
{
    int64_t found = number(op, name);
    ok(s3dlio_op_free(op));
    return found;
}

static uint64_t open_log(const char *path, const char *options)
{
    uint64_t op = 0;
    ok(s3dlio_log_open_begin(path, options, &op));
    return (uint64_t)finish(op, "log");
}

int main(int count, char **arguments)
{
    uint64_t writer, reader, far, store = 0, op = 0;
    int64_t first = -1, begin = -1, end = -1, committed = -1, durable = -1;
    int32_t ended = -1;
    const int64_t ends[3] = {3, 3, 8};
    s3dlio_result result = {.struct_size = sizeof result};
    char data[16];

    if (count != 2) {
        fprintf(stderr, "usage: log PATH\n");
        return 2;
    }

    step("no log is there yet");
    ok(s3dlio_log_open_begin(arguments[1], NULL, &op));
    is(s3dlio_op_wait(op, -1), S3DLIO_NOT_FOUND, "S3DLIO_NOT_FOUND");
    ok(s3dlio_op_free(op));

    step("append one record and a batch, and commit");
    writer = open_log(arguments[1], "{\"mode\":\"a\"}");
    ok(s3dlio_log_append(writer, "zero", 4, &first));
    check(first == 0, "number 0");
    ok(s3dlio_log_append_batch(writer, "onethree", 8, ends, 3, &first));
    check(first == 1, "number 1");
    ok(s3dlio_log_commit(writer, &durable));
    check(durable == 4 || durable == -1, "committed in this thread, or not at all");
    ok(s3dlio_log_commit_begin(writer, &op));
    check(finish(op, "committed") == 4, "4 committed records");

    step("a second writer is refused");
    ok(s3dlio_log_open_begin(arguments[1], "{\"mode\":\"a\"}", &op));
    is(s3dlio_op_wait(op, -1), S3DLIO_UNAVAILABLE, "S3DLIO_UNAVAILABLE");
    ok(s3dlio_op_free(op));

    step("read in order, with the table of numbers and ends before the records");
    reader = open_log(arguments[1], NULL);
    ok(s3dlio_log_scan_begin(reader, 0, 100, 1 << 20, NULL, 0, NULL, &op));
    check(number(op, "count") == 4, "4 records");
    ok(s3dlio_op_result(op, &result));
    check(((const int64_t *)result.data)[3] == 3 && ((const int64_t *)result.data)[7] == 12, "number 3, which ends at 12");
    check(memcmp((const char *)result.data + 8 * sizeof(int64_t), "zeroonethree", 12) == 0, "the records");
    ok(s3dlio_op_free(op));

    step("read by number into the caller's memory");
    first = 3;
    ok(s3dlio_log_read_begin(reader, &first, 1, data, 5, &op));
    check(finish(op, "length") == 5 && memcmp(data, "three", 5) == 0, "the record 'three'");
    first = 4;
    ok(s3dlio_log_read_begin(reader, &first, 1, data, 5, &op));
    is(s3dlio_op_wait(op, -1), S3DLIO_NOT_FOUND, "S3DLIO_NOT_FOUND");
    ok(s3dlio_op_free(op));

    step("wait for a record that comes later");
    ok(s3dlio_log_wait_begin(reader, 4, &op));
    is(s3dlio_op_wait(op, 20), S3DLIO_PENDING, "S3DLIO_PENDING");
    ok(s3dlio_log_append(writer, "four", 4, &first));
    {
        uint64_t commit = 0;
        ok(s3dlio_log_commit_begin(writer, &commit));
        check(finish(commit, "committed") == 5, "5 committed records");
    }
    check(finish(op, "committed") == 5, "5 committed records");

    step("a consumer remembers its place");
    ok(s3dlio_log_cursor_set_begin(reader, "consumer", 3, &op));
    ok(s3dlio_op_wait(op, -1));
    ok(s3dlio_op_free(op));
    ok(s3dlio_log_cursor_get(writer, "consumer", &first));
    check(first == 3, "3");
    is(s3dlio_log_cursor_get(writer, "../x", &first), S3DLIO_INVALID_ARGUMENT, "S3DLIO_INVALID_ARGUMENT");

    step("truncate");
    ok(s3dlio_log_reclaimable(writer, 3, &first));
    check(first >= 0, "bytes");
    ok(s3dlio_log_truncate_begin(writer, 3, &op));
    check(finish(op, "begin") == 3, "3");
    ok(s3dlio_log_info(reader, &begin, &end, &committed, &ended));
    check(begin == 3 && end == 5 && committed == 5 && ended == 0, "records 3 and 4");
    is(s3dlio_log_append(reader, "x", 1, &first), S3DLIO_INVALID_ARGUMENT, "S3DLIO_INVALID_ARGUMENT");

    step("inspect and check it while it is open");
    ok(s3dlio_log_inspect_begin(arguments[1], NULL, &op));
    check(strncmp(member(op, "state"), "\"open\"", 6) == 0, "an open log");
    check(finish(op, "records") == 2, "2 records");
    ok(s3dlio_log_inspect_begin(arguments[1], "{\"check\":true}", &op));
    check(strncmp(member(op, "whole"), "true", 4) == 0, "a whole log");
    check(finish(op, "records_checked") >= 2, "2 records checked");
    ok(s3dlio_log_stats_begin(writer, &op));
    check(finish(op, "truncated_records") == 3, "3 truncated records");

    step("upload it to a store and read it there");
    ok(s3dlio_store_open("memory://log", NULL, &store));
    ok(s3dlio_log_seal_begin(writer, &op));
    check(finish(op, "committed") == 5, "5 committed records");
    ok(s3dlio_log_upload_begin(arguments[1], store, "copy", 4, &op));
    check(finish(op, "end") == 5, "all 5 records");
    ok(s3dlio_log_open_store_begin(store, "copy", 4, NULL, &op));
    far = (uint64_t)finish(op, "log");
    first = 4;
    ok(s3dlio_log_read_begin(far, &first, 1, data, 4, &op));
    check(finish(op, "length") == 4 && memcmp(data, "four", 4) == 0, "the record 'four'");
    ok(s3dlio_log_close(far));

    step("close");
    ok(s3dlio_log_close(writer));
    ok(s3dlio_log_close(writer));
    ok(s3dlio_log_info(reader, &begin, &end, &committed, &ended));
    check(ended == 1, "a writer that ended");
    ok(s3dlio_log_close(reader));
    is(s3dlio_log_info(reader, &begin, &end, &committed, &ended), S3DLIO_CLOSED, "S3DLIO_CLOSED");

    step("nothing is to be repaired");
    ok(s3dlio_log_repair_begin(arguments[1], 0, NULL, 0, NULL, &op));
    check(finish(op, "records") == 2, "2 records");
    ok(s3dlio_log_repair_begin(arguments[1], store, "copy", 4, "{\"dry_run\":false}", &op));
    check(strncmp(member(op, "findings"), "[]", 2) == 0, "no findings");
    ok(s3dlio_op_free(op));
    ok(s3dlio_store_close(store));
    printf("all as it should be\n");
    return 0;
}
