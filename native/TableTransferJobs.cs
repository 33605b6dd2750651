using S3dlio.Storage;
using S3dlio.Table;

namespace S3dlio.Native;

/// <summary>The checkpoints of tables, here and in stores.</summary>
static class TableTransferJobs
{
    /// <summary>
    /// Makes a checkpoint, and copies it to <paramref name="store"/> unless that is null, where <paramref name="keep"/> stay.
    /// </summary>
    public static Job Checkpoint(
        EmbeddingTable table, bool waits, ObjectStore? store, string prefix, int keep) => async (operation, cancel) =>
    {
        var made = await Task.Run(() => table.Checkpoint(waits, cancel), CancellationToken.None).ConfigureAwait(false);
        var sent = store is null ? (TableUploadSummary?)null
            : await TableTransfer.UploadAsync(table.Directory, made.Version, store, prefix, keep, operation, cancel).ConfigureAwait(false);
        operation.SetJson(MetaJson.Write(json =>
        {
            json.WriteStartObject();
            TableJson.WriteMembers(json, made);
            if (sent is { } done)
                TableJson.WriteMembers(json, done);
            json.WriteEndObject();
        }));
    };

    public static Job List(string directory) => Jobs.Now((operation, _) => Told(operation, EmbeddingTable.Checkpoints(directory)));

    public static Job List(ObjectStore store, string prefix) => async (operation, cancel) =>
        Told(operation, await TableTransfer.CheckpointsAsync(store, prefix, cancel).ConfigureAwait(false));

    public static Job Recover(ObjectStore store, string prefix, long version, string directory) => async (operation, cancel) =>
    {
        var found = await TableTransfer.DownloadAsync(store, prefix, version, directory, operation, cancel).ConfigureAwait(false);
        operation.SetJson(MetaJson.Write(json =>
        {
            json.WriteStartObject();
            TableJson.WriteMembers(json, found);
            json.WriteEndObject();
        }));
    };

    static void Told(Operation operation, IReadOnlyList<TableCheckpoint> found) => operation.SetJson(MetaJson.Write(json =>
    {
        json.WriteStartArray();
        foreach (var one in found)
        {
            json.WriteStartObject();
            TableJson.WriteMembers(json, one);
            json.WriteEndObject();
        }
        json.WriteEndArray();
    }));
}
