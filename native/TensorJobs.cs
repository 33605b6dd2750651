using S3dlio.Checkpoint;
using S3dlio.Hashing;
using S3dlio.Storage;
using S3dlio.Tensors;
using S3dlio.Transfer;

namespace S3dlio.Native;

/// <summary>The operations on arrays and tensors.</summary>
static class TensorJobs
{
    public static Job SaveArray(ObjectStore store, string key, byte[] header, LargeMemory data, int? level, PutOptions options) =>
        async (operation, cancel) =>
        operation.SetJson(
            Saved(await NpyObject.SaveAsync(store, key, header, data, level, options, operation, cancel).ConfigureAwait(false),
                operation.Total));

    public static Job OpenArray(ObjectStore store, string key) => async (operation, cancel) =>
    {
        var array = await NpyObject.OpenAsync(store, key, cancel).ConfigureAwait(false);
        operation.SetJson(TensorJson.Write(operation.OwnOpened(new OpenFile(array)), array));
    };

    public static Job ReadArray(NpyObject array, LargeMemory target, Validation validation) => async (operation, cancel) =>
        await array.ReadAsync(target, validation, operation, cancel).ConfigureAwait(false);

    public static Job SaveTensors(
        ObjectStore store, string key, string description, IReadOnlyList<LargeMemory> data, int? level,
        PutOptions options) => async (operation, cancel) =>
    {
        string uri = store.Root.Child(key);
        var (tensors, metadata, checksums, blocks, blocksLevel, shard) = TensorJson.ParseTensors(description, uri);
        if (tensors.Length != data.Count)
            throw new StoreException(
                ErrorKind.InvalidArgument, uri, $"{tensors.Length} tensors are described, memory is given for {data.Count}");
        if (shard is not null)
        {
            if (key.Length > 0)
                throw new StoreException(ErrorKind.InvalidArgument, uri, "a shard's key is the library's to choose; give an empty one");
            var (target, saveId, run) = CheckpointJson.ReadTarget(shard, uri);
            target = await CheckpointJobs.AgreeAsync(store, target, saveId, run, cancel).ConfigureAwait(false);
            var (record, output, lie) = await ShardWrite.PutAsync(
                store, target, tensors, data, metadata, operation, cancel).ConfigureAwait(false);
            operation.SetJson(TensorJson.Write(output, lie, record));
            return;
        }
        if (blocks)
        {
            var (saved, places) = await SafetensorsObject.SaveBlocksAsync(
                store, key, tensors, data, metadata, blocksLevel ?? level, options, operation, cancel).ConfigureAwait(false);
            operation.SetJson(TensorJson.Write(saved, places, null));
            return;
        }
        operation.SetJson(
            Saved(await SafetensorsObject.SaveAsync(store, key, tensors, data, metadata, checksums, level, options, operation, cancel)
                    .ConfigureAwait(false), operation.Total));
    };

    public static Job OpenTensors(ObjectStore store, string key) => async (operation, cancel) =>
    {
        var tensors = await SafetensorsObject.OpenAsync(store, key, cancel).ConfigureAwait(false);
        operation.SetJson(TensorJson.Write(operation.OwnOpened(new OpenFile(tensors)), tensors));
    };

    public static Job ReadTensors(SafetensorsObject tensors, IReadOnlyList<(int, LargeMemory)> wanted, Validation validation) =>
        async (operation, cancel) =>
        await tensors.ReadAsync(wanted, validation, operation, cancel).ConfigureAwait(false);

    public static Job CompareTensors(SafetensorsObject tensors, IReadOnlyList<(int, LargeMemory)> held, Validation validation) =>
        async (operation, cancel) =>
        await tensors.CompareAsync(held, validation, operation, cancel).ConfigureAwait(false);

    public static Job ReadSlice(SafetensorsObject tensors, int tensor, DimSlice[] slice, LargeMemory target) => async (operation, cancel) =>
        await tensors.ReadSliceAsync(tensor, slice, target, operation, cancel).ConfigureAwait(false);

    // what a save has written when it ends is all that there was to write
    static byte[] Saved((ObjectMeta Stored, Checksum Raw) saved, long rawSize) => MetaJson.Write(json =>
    {
        json.WriteStartObject();
        json.WriteNumber("raw_size", rawSize);
        json.WriteString("raw_checksum", saved.Raw.ToString());
        MetaJson.AppendMembers(json, saved.Stored);
        json.WriteEndObject();
    });
}
