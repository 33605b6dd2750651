using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Log;

/// <summary>What an upload did.</summary>
/// <param name="Uploaded">Segments that were not there yet.</param>
/// <param name="Bytes">Of those.</param>
/// <param name="End">Records below this number are in the store.</param>
public readonly record struct LogUploadSummary(int Uploaded, long Bytes, long End);

/// <summary>
/// Copies the sealed segments of a log to a store, each once: they never change. Records that are truncated later stay there. The log may
/// be written meanwhile; what is not sealed yet is of a later upload.
/// </summary>
public static class LogUpload
{
    /// <param name="directory">The log.</param>
    /// <param name="store">Where to.</param>
    /// <param name="prefix">Of the objects' keys, with a slash at its end unless it is empty.</param>
    /// <param name="progress">Hears of bytes.</param>
    /// <param name="cancel">Ends it between two pieces; what is whole stays.</param>
    /// <exception cref="StoreException">ChecksumMismatch: a segment is damaged, and it is not uploaded.
    /// AlreadyExists: there is another log.</exception>
    public static async ValueTask<LogUploadSummary> RunAsync(
        string directory, ObjectStore store, string prefix, IProgress<long>? progress, CancellationToken cancel)
    {
        directory = Path.GetFullPath(directory);
        try
        {
            return await RunAsync(LocalDisk.Shared, directory, store, prefix, progress, cancel).ConfigureAwait(false);
        }
        catch (Exception error) when (error is DiskException or SegmentException)
        {
            throw error is DiskException { IsMissing: true }
                ? new StoreException(ErrorKind.NotFound, directory, "there is no log", cause: error)
                : LogErrors.Translate(error, directory);
        }
    }

    static async ValueTask<LogUploadSummary> RunAsync(
        Disk disk, string directory, ObjectStore store, string prefix, IProgress<long>? progress, CancellationToken cancel)
    {
        var segments = LogRecovery.SegmentsOf(disk.List(directory));
        string metaPath = $"{directory}/{LogMeta.FileName}";
        var slot = TwoSlots.Read(disk, metaPath);
        if (segments.Count == 0)
            throw new StoreException(ErrorKind.NotFound, directory, "there is no log");
        if (slot is null)
            throw new SegmentException(
                SegmentFault.Damaged, metaPath, "META is damaged; open the log once with mode \"a\", which makes it anew");
        var meta = LogMeta.Parse(slot.Value.Content, metaPath);
        // META first: it knows every opening of the segments that were listed before
        await PutMetaAsync(meta, store, prefix, cancel).ConfigureAwait(false);
        var summary = new LogUploadSummary(0, 0, meta.Begin);
        foreach (long first in segments.Where(first => first >= meta.BeginSegment))
        {
            string path = $"{directory}/{SegmentWriter.NameOf(first)}";
            try
            {
                using var file = disk.Open(path, DiskOpen.Read);
                var header = LogRecovery.ReadHeader(file, first);
                LogRecovery.CheckStore(header, meta, path);
                if (SegmentFile.ReadFooter(file, header, out var footer) is null)
                {
                    if (first == segments[^1])
                        break;
                    throw new SegmentException(SegmentFault.Damaged, path, "its footer is damaged; repair the log before it is uploaded");
                }
                bool isPunched = first == meta.BeginSegment && meta.BeginOffset > SegmentHeader.Length;
                string key = prefix + SegmentWriter.NameOf(first);
                bool isNew = await SegmentUpload.PutAsync(file, footer!, isPunched, store, key, progress, cancel).ConfigureAwait(false);
                summary = new(summary.Uploaded + (isNew ? 1 : 0), summary.Bytes + (isNew ? file.Length : 0), footer!.EndRecord);
            }
            catch (DiskException error) when (error.IsMissing)
            {
                // it was truncated meanwhile
            }
        }
        return summary;
    }

    /// <summary>META for those who read there. What was uploaded stays readable when the log itself begins later.</summary>
    static async ValueTask PutMetaAsync(LogMeta meta, ObjectStore store, string prefix, CancellationToken cancel)
    {
        string key = prefix + LogMeta.FileName;
        if (await store.HeadOrNullAsync(key, cancel).ConfigureAwait(false) is { } there)
        {
            var bytes = new byte[Math.Min(there.Size, 2 * TwoSlots.SlotLength)];
            var reader = await store.OpenReadAsync(key, ReadOptions.Default, cancel).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
                await reader.ReadAsync(0, bytes, cancel).ConfigureAwait(false);
            if (TwoSlots.Read(bytes) is { } slot)
            {
                var before = LogMeta.Parse(slot.Content, store.Root.Child(key));
                if (before.Store != meta.Store)
                    throw new StoreException(
                        ErrorKind.AlreadyExists, store.Root.Child(key),
                        $"another log ({before.Store}) is there; this one is {meta.Store}. Choose another place");
                if (before.Begin < meta.Begin)
                    meta = meta with { Begin = before.Begin, BeginSegment = before.BeginSegment, BeginOffset = before.BeginOffset };
            }
        }
        await store.PutAsync(key, new Payload(TwoSlots.ToBytes(meta.ToBytes())), PutOptions.Default, null, cancel).ConfigureAwait(false);
    }
}
