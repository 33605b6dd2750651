/*
 * An embedding table from C: rows are looked up, trained by gradients, set and deleted; a batch that comes again is refused or passed over; a
 * checkpoint is made, copied to a store and brought to another directory, where training goes on behind the last serial.
 *
 *   gcc -std=c99 -Wall -Wextra -Iinclude native/examples/table.c -Lpython/s3dlio -ls3dlio \
 *       -Wl,-rpath,$PWD/python/s3dlio -o table
 *   ./table /tmp/a/table /tmp/a/again
 *
 * Prints each step, checks every answer, and exits with 1 at the first that is wrong. The directories must not be there yet.
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
    fprintf(stderr, "table: %s: expected %s, found %" PRId32 "\n", what, expected, found);
    if (s3dlio_last_error(&error) == S3DLIO_OK && error.message != NULL)
        fprintf(stderr, "table: last error: %s\n", error.message);
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

static int64_t finish(uint64_t op, const char *name)
{
    int64_t found = (int64_t)strtoll(member(op, name), NULL, 10);
    ok(s3dlio_op_free(op));
    return found;
}

static void end(uint64_t op)
{
    ok(s3dlio_op_wait(op, -1));
    ok(s3dlio_op_free(op));
}

static uint64_t open_table(const char *path, const char *options)
{
    uint64_t op = 0;
    ok(s3dlio_table_open_begin(path, options, &op));
    return (uint64_t)finish(op, "table");
}

int main(int count, char **arguments)
{
    static const char options[] = "{\"mode\":\"a\",\"dimension\":2,\"optimizer\":{\"rule\":\"sgd\",\"learning_rate\":0.5}}";
    const int64_t keys[3] = {7, -1, 7};
    const int64_t other[2] = {INT64_MIN, 8};
    const float gradients[6] = {1, 2, 3, 4, 1, 2};
    const float rows[4] = {10, 20, 30, 40};
    uint64_t table, again, scan, store = 0, op = 0;
    int64_t serial = 0, number = 0, version = -1, steps = -1;
    int32_t skipped = -1, done = -1;
    uint8_t found[3] = {9, 9, 9};
    float data[6];
    s3dlio_result result = {.struct_size = sizeof result};

    if (count != 3) {
        fprintf(stderr, "usage: table PATH PATH\n");
        return 2;
    }

    step("no table is there yet");
    ok(s3dlio_table_open_begin(arguments[1], NULL, &op));
    is(s3dlio_op_wait(op, -1), S3DLIO_NOT_FOUND, "S3DLIO_NOT_FOUND");
    ok(s3dlio_op_free(op));

    step("make one, and look up rows that nobody wrote");
    table = open_table(arguments[1], options);
    ok(s3dlio_table_lookup(table, keys, 3, data, sizeof data, found, &done));
    check(done == 1 && data[0] == 0 && data[5] == 0 && found[0] == 0, "initial rows");
    ok(s3dlio_table_session_serial(table, "trainer", &serial));
    check(serial == -1, "no serial");

    step("a second process may not change it");
    ok(s3dlio_table_open_begin(arguments[1], options, &op));
    is(s3dlio_op_wait(op, -1), S3DLIO_UNAVAILABLE, "S3DLIO_UNAVAILABLE");
    ok(s3dlio_op_free(op));

    step("apply gradients; those of one key are added");
    ok(s3dlio_table_apply(table, "trainer", 100, 0, keys, 3, gradients, sizeof gradients, &serial, &skipped));
    check(serial == 100 && skipped == 0, "serial 100");
    ok(s3dlio_table_lookup_begin(table, keys, 3, data, sizeof data, found, &op));
    end(op);
    check(data[0] == -1 && data[1] == -2 && data[2] == -1.5f && data[3] == -2 && data[4] == -1 && found[1] == 1, "trained rows");

    step("the same batch again is refused, or passed over");
    is(s3dlio_table_apply(table, "trainer", 100, 0, keys, 3, gradients, sizeof gradients, &serial, &skipped), S3DLIO_PRECONDITION,
       "S3DLIO_PRECONDITION");
    ok(s3dlio_table_apply(table, "trainer", 100, 1, keys, 3, gradients, sizeof gradients, &serial, &skipped));
    check(serial == 100 && skipped == 1, "skipped");
    ok(s3dlio_table_apply_begin(table, "trainer", -1, 0, keys, 0, NULL, 0, &op));
    check(finish(op, "serial") == 101, "serial 101");

    step("what cannot be right is refused");
    is(s3dlio_table_lookup(table, keys, 3, data, 20, NULL, &done), S3DLIO_INVALID_ARGUMENT, "S3DLIO_INVALID_ARGUMENT");
    is(s3dlio_table_apply(table, "trainer", 102, 0, keys, 3, gradients, 8, &serial, &skipped), S3DLIO_INVALID_ARGUMENT, "S3DLIO_INVALID_ARGUMENT");
    is(s3dlio_table_lookup(table, NULL, 3, data, sizeof data, NULL, &done), S3DLIO_INVALID_ARGUMENT, "S3DLIO_INVALID_ARGUMENT");

    step("set rows and delete one");
    ok(s3dlio_table_upsert_begin(table, "loader", 0, 0, other, 2, rows, sizeof rows, &op));
    check(finish(op, "serial") == 0, "serial 0");
    ok(s3dlio_table_delete_begin(table, "loader", 1, 0, other + 1, 1, &op));
    check(finish(op, "deleted") == 1, "1 row");
    ok(s3dlio_table_contains(table, other, 2, found));
    check(found[0] == 1 && found[1] == 0, "the first one");
    ok(s3dlio_table_prefetch_begin(table, keys, 3, &op));
    check(finish(op, "rows") >= 0, "rows");

    step("walk over all rows");
    ok(s3dlio_table_scan_open_begin(table, &op));
    scan = (uint64_t)finish(op, "table_scan");
    ok(s3dlio_table_scan_next_begin(scan, 10, &op));
    check(strncmp(member(op, "count"), "3", 1) == 0, "3 rows");
    ok(s3dlio_op_result(op, &result));
    for (int i = 0; i < 3; i++) {
        if (((const int64_t *)result.data)[i] == INT64_MIN)
            check(((const float *)((const char *)result.data + 80))[2 * i] == 10, "the row that was set");
    }
    ok(s3dlio_op_free(op));
    ok(s3dlio_table_scan_next_begin(scan, 10, &op));
    check(finish(op, "count") == 0, "the end");
    ok(s3dlio_table_scan_close(scan));

    step("make a checkpoint, here and in a store");
    ok(s3dlio_store_open("memory://table", NULL, &store));
    ok(s3dlio_table_checkpoint_begin(table, store, "copy", 4, NULL, &op));
    check(strncmp(member(op, "trainer"), "101", 3) == 0, "serial 101 of the trainer");
    check(finish(op, "version") == 2, "version 2, since the walk made one");
    ok(s3dlio_table_info(table, &number, &version, &steps));
    check(number == 3 && version == 2 && steps >= 1, "3 rows, version 2");
    ok(s3dlio_table_checkpoints_begin(NULL, store, "copy", 4, &op));
    check(finish(op, "version") == 2, "version 2");
    ok(s3dlio_table_checkpoints_begin(arguments[1], 0, NULL, 0, &op));
    check(finish(op, "version") == 1, "version 1");

    step("what comes later is not in it");
    ok(s3dlio_table_apply(table, "trainer", 200, 0, keys, 3, gradients, sizeof gradients, &serial, &skipped));

    step("inspect, compact, evict, statistics");
    ok(s3dlio_table_inspect_begin(arguments[1], "{\"check\":true}", &op));
    check(strncmp(member(op, "whole"), "true", 4) == 0, "a whole table");
    ok(s3dlio_op_free(op));
    ok(s3dlio_table_compact_begin(table, 0.5, &op));
    check(finish(op, "bytes") >= 0, "bytes");
    ok(s3dlio_table_evict_begin(table, "{\"smaller_than\":0.001}", &op));
    check(finish(op, "evicted") == 0, "no row");
    ok(s3dlio_table_stats_begin(table, &op));
    check(finish(op, "rows") == 3, "3 rows");
    ok(s3dlio_table_close(table));
    ok(s3dlio_table_close(table));
    is(s3dlio_table_lookup(table, keys, 3, data, sizeof data, NULL, &done), S3DLIO_CLOSED, "S3DLIO_CLOSED");

    step("bring it to another directory, and go on behind the last serial");
    ok(s3dlio_table_recover_begin(store, "copy", 4, arguments[2], NULL, &op));
    end(op);
    again = open_table(arguments[2], "{\"mode\":\"a\",\"take_all\":true}");
    ok(s3dlio_table_session_serial(again, "trainer", &serial));
    check(serial == 101, "serial 101");
    ok(s3dlio_table_lookup_begin(again, keys, 3, data, sizeof data, NULL, &op));
    end(op);
    check(data[0] == -1 && data[1] == -2 && data[2] == -1.5f && data[3] == -2, "the rows of the checkpoint");
    ok(s3dlio_table_apply(again, "trainer", 200, 0, keys, 3, gradients, sizeof gradients, &serial, &skipped));
    ok(s3dlio_table_sessions_begin(again, &op));
    check(finish(op, "loader") == 1, "serial 1 of the loader");
    ok(s3dlio_table_close(again));
    ok(s3dlio_store_close(store));
    printf("all as it should be\n");
    return 0;
}
