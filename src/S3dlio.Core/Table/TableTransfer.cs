using S3dlio.Hashing;
using S3dlio.IO;
using S3dlio.Log;
using S3dlio.Segments;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Table;

/// <summary>What an upload did.</summary>
/// <param name="Version">Of the checkpoint.</param>
/// <param name="Uploaded">Files that were not there yet.</param>
/// <param name="Bytes">Of those.</param>
/// <param name="Removed">Files that went with checkpoints that are no longer kept.</param>
public readonly record struct TableUploadSummary(long Version, int Uploaded, long Bytes, int Removed);

/// <summary>
/// Checkpoints in a store: the files that are not there yet, each once since they never change, then the manifest, which is written only
/// where none of its version is. A reader sees a checkpoint whole or not at all.
/// </summary>
public static class TableTransfer
{
    const int FilesAtOnce = 4, PieceLength = 4 << 20;

    /// <param name="directory">The table.</param>
    /// <param name="version">Of the checkpoint; 0 is the newest.</param>
    /// <param name="store">The destination.</param>
    /// <param name="prefix">Of the objects' keys, with a slash at its end unless it is empty.</param>
    /// <param name="keep">Checkpoints that stay there, this one included; 0 keeps all.</param>
    /// <param name="progress">Gets the bytes of each piece.</param>
    /// <param name="cancel">Ends it; files that are whole stay and are not sent again.</param>
    /// <exception cref="StoreException">NotFound: there is no such checkpoint. ChecksumMismatch: a file is damaged and was not uploaded.
    /// AlreadyExists: another table, or another trainer's checkpoint of this version, is there.</exception>
    public static async ValueTask<TableUploadSummary> UploadAsync(
        string directory, long version, ObjectStore store, string prefix, int keep, IProgress<long>? progress, CancellationToken cancel)
    {
        directory = Path.GetFullPath(directory);
        var disk = LocalDisk.Shared;
        try
        {
            if (version == 0)
                version = TableRecovery.Checkpoints(disk, directory) is [.., var newest] ? newest.Version : throw NoCheckpoint(directory);
            var manifest = TableRecovery.ReadManifest(disk, directory, version);
            int uploaded = 0;
            long bytes = 0;
            await ParallelWork.ForAsync(manifest.Segments.Count, FilesAtOnce, async (i, stop) =>
            {
                var segment = manifest.Segments[i];
                using var file = disk.Open($"{directory}/{segment.Name}", DiskOpen.Read);
                var header = LogRecovery.ReadHeader(file, segment.FirstPage);
                if (SegmentFile.ReadFooter(file, header, out var footer) is null || footer!.BodyChecksum != segment.Checksum)
                    throw new SegmentException(
                        SegmentFault.Damaged, file.Path, $"its footer is not that of the file that checkpoint {version} names");
                string key = prefix + segment.Name;
                if (await SegmentUpload.PutAsync(file, footer, isPunched: false, store, key, progress, stop).ConfigureAwait(false))
                {
                    Interlocked.Increment(ref uploaded);
                    Interlocked.Add(ref bytes, segment.Length);
                }
            }, cancel).ConfigureAwait(false);
            await PutManifestAsync(manifest, store, prefix, cancel).ConfigureAwait(false);
            int removed = keep > 0 ? await RetainAsync(store, prefix, version, keep, cancel).ConfigureAwait(false) : 0;
            return new(version, uploaded, bytes, removed);
        }
        catch (DiskException error) when (error.IsMissing)
        {
            throw new StoreException(
                ErrorKind.NotFound, directory, $"checkpoint {version} is not there, or went while it was uploaded; keep more of them",
                cause: error);
        }
        catch (Exception error) when (error is DiskException or SegmentException)
        {
            throw TableErrors.Translate(error, directory);
        }
    }

    /// <summary>Copies a checkpoint from a store into a directory, which becomes a table.</summary>
    /// <param name="store">The source.</param>
    /// <param name="prefix">Of the objects' keys, with a slash at its end unless it is empty.</param>
    /// <param name="version">Of the checkpoint; 0 is the newest.</param>
    /// <param name="directory">A new one, or one without a table.</param>
    /// <param name="progress">Gets the bytes of each piece.</param>
    /// <param name="cancel">Ends it; what was copied is used by the next call.</param>
    /// <returns>The checkpoint.</returns>
    /// <exception cref="StoreException">AlreadyExists: the directory has a table. NotFound, ChecksumMismatch, InvalidData.</exception>
    public static async ValueTask<TableCheckpoint> DownloadAsync(
        ObjectStore store, string prefix, long version, string directory, IProgress<long>? progress, CancellationToken cancel)
    {
        directory = Path.GetFullPath(directory);
        var disk = LocalDisk.Shared;
        try
        {
            disk.CreateDirectoryDurably(directory);
            using var held = TableFolder.Lock(disk, directory);
            if (TableRecovery.Manifests(disk, directory) is [.., var there])
                throw new StoreException(
                    ErrorKind.AlreadyExists, directory, $"a table is there, with checkpoint {there}; open it, or choose another directory");
            if (version == 0)
                version = await VersionsAsync(store, prefix, cancel).ConfigureAwait(false) is [.., var newest]
                    ? newest
                    : throw NoCheckpoint(store.Root.Child(prefix));
            var manifest = await ReadManifestAsync(store, prefix, version, cancel).ConfigureAwait(false);
            foreach (string folder in manifest.Segments.Select(one => one.Folder).Distinct(StringComparer.Ordinal))
                disk.CreateDirectoryDurably($"{directory}/{folder}");
            await ParallelWork.ForAsync(
                manifest.Segments.Count, FilesAtOnce,
                (i, stop) => GetSegmentAsync(store, prefix, manifest.Segments[i], disk, directory, progress, stop), cancel)
                .ConfigureAwait(false);
            foreach (string folder in manifest.Segments.Select(one => one.Folder).Distinct(StringComparer.Ordinal))
                disk.SyncDirectory($"{directory}/{folder}");
            TableRecovery.WriteManifest(disk, directory, manifest);
            return TableCheckpoint.Of(manifest);
        }
        catch (Exception error) when (error is DiskException or SegmentException)
        {
            throw TableErrors.Translate(error, directory);
        }
    }

    /// <summary>The checkpoints in a store, oldest first.</summary>
    public static async ValueTask<IReadOnlyList<TableCheckpoint>> CheckpointsAsync(
        ObjectStore store, string prefix, CancellationToken cancel)
    {
        var found = new List<TableCheckpoint>();
        foreach (long version in await VersionsAsync(store, prefix, cancel).ConfigureAwait(false))
            found.Add(TableCheckpoint.Of(await ReadManifestAsync(store, prefix, version, cancel).ConfigureAwait(false)));
        return found;
    }

    static StoreException NoCheckpoint(string place) =>
        new(ErrorKind.NotFound, place, "there is no checkpoint of a table");

    static async ValueTask<List<long>> VersionsAsync(ObjectStore store, string prefix, CancellationToken cancel)
    {
        var versions = new List<long>();
        await foreach (var page in store.ListAsync(prefix, new ListOptions { Recursive = false }, cancel).ConfigureAwait(false))
        {
            foreach (var one in page.Objects)
            {
                if (one.Key.StartsWith(prefix, StringComparison.Ordinal)
                    && TableManifest.TryParseName(one.Key[prefix.Length..], out long version))
                    versions.Add(version);
            }
        }
        versions.Sort();
        return versions;
    }

    static async ValueTask<TableManifest> ReadManifestAsync(ObjectStore store, string prefix, long version, CancellationToken cancel)
    {
        string key = prefix + TableManifest.NameOf(version);
        byte[] text = [];
        await ObjectRead.WholeAsync(
            store, key,
            length => LargeMemory.From(text = length <= TableManifest.MaxLength
                ? new byte[length]
                : throw new StoreException(
                    ErrorKind.InvalidData, store.Root.Child(key),
                    $"expected a manifest of at most {TableManifest.MaxLength} bytes, found {length}")),
            default, NoProgress.Instance, cancel).ConfigureAwait(false);
        var manifest = TableManifest.Read(text, store.Root.Child(key));
        return manifest.Version == version
            ? manifest
            : throw new StoreException(
                ErrorKind.InvalidData, store.Root.Child(key),
                $"expected version {version} as the name says, found version {manifest.Version}");
    }

    static async ValueTask PutManifestAsync(TableManifest manifest, ObjectStore store, string prefix, CancellationToken cancel)
    {
        string key = prefix + TableManifest.NameOf(manifest.Version);
        try
        {
            await store.PutAsync(
                key, new Payload(manifest.ToBytes()), new PutOptions { Overwrite = false, Durable = true }, null, cancel)
                .ConfigureAwait(false);
        }
        catch (StoreException error) when (error.Kind == ErrorKind.AlreadyExists)
        {
            // a try before this one may have come so far
            var there = await ReadManifestAsync(store, prefix, manifest.Version, cancel).ConfigureAwait(false);
            if (there.Table != manifest.Table || !there.Segments.SequenceEqual(manifest.Segments) || there.Created != manifest.Created)
                throw new StoreException(
                    ErrorKind.AlreadyExists, store.Root.Child(key),
                    there.Table == manifest.Table
                        ? $"another trainer uploaded a checkpoint {manifest.Version} of this table; choose another place for this one's"
                        : $"checkpoints of another table ({there.Table}) are there; this one is {manifest.Table}. Choose another place",
                    cause: error);
        }
    }

    /// <summary>Deletes older manifests first, then the files that only they named.</summary>
    static async ValueTask<int> RetainAsync(ObjectStore store, string prefix, long newest, int keep, CancellationToken cancel)
    {
        var versions = (await VersionsAsync(store, prefix, cancel).ConfigureAwait(false)).Where(one => one <= newest).ToList();
        if (versions.Count <= keep)
            return 0;
        var named = new HashSet<string>(StringComparer.Ordinal);
        var gone = new HashSet<string>(StringComparer.Ordinal);
        foreach (long version in versions)
        {
            var segments = (await ReadManifestAsync(store, prefix, version, cancel).ConfigureAwait(false)).Segments.Select(one => one.Name);
            (versions.IndexOf(version) >= versions.Count - keep ? named : gone).UnionWith(segments);
        }
        gone.ExceptWith(named);
        string[] manifests = [.. versions[..^keep].Select(version => prefix + TableManifest.NameOf(version))];
        await DeleteAsync(store, manifests, cancel).ConfigureAwait(false);
        await DeleteAsync(store, [.. gone.Select(name => prefix + name)], cancel).ConfigureAwait(false);
        return gone.Count;
    }

    static async ValueTask DeleteAsync(ObjectStore store, string[] keys, CancellationToken cancel)
    {
        foreach (var failure in await store.DeleteAsync(keys, cancel).ConfigureAwait(false))
        {
            if (failure.Error.Kind != ErrorKind.NotFound)
                throw failure.Error;
        }
    }

    static async ValueTask GetSegmentAsync(
        ObjectStore store, string prefix, ManifestSegment segment, Disk disk, string directory, IProgress<long>? progress,
        CancellationToken cancel)
    {
        string key = prefix + segment.Name;
        using var file = disk.Open($"{directory}/{segment.Name}", DiskOpen.WriteOrCreate);
        if (file.Length == segment.Length && IsWhole(file, segment))
            return;
        file.SetLength(0);
        var reader = await store.OpenReadAsync(key, ReadOptions.Default, cancel).ConfigureAwait(false);
        await using (reader.ConfigureAwait(false))
        {
            if (reader.Meta.Size != segment.Length)
                throw new StoreException(
                    ErrorKind.ChecksumMismatch, store.Root.Child(key),
                    $"expected {segment.Length} bytes, as the manifest says, found {reader.Meta.Size}");
            var piece = new byte[(int)Math.Min(PieceLength, segment.Length)];
            for (long at = 0; at < segment.Length;)
            {
                int count = (int)Math.Min(piece.Length, segment.Length - at);
                await reader.ReadAsync(at, piece.AsMemory(0, count), cancel).ConfigureAwait(false);
                file.Write(piece.AsSpan(0, count), at);
                progress?.Report(count);
                at += count;
            }
        }
        if (!IsWhole(file, segment))
            throw new StoreException(
                ErrorKind.ChecksumMismatch, store.Root.Child(key),
                $"its bytes have not the checksum {segment.Checksum:x8} that the manifest says");
        file.Flush();
    }

    static bool IsWhole(DiskFile file, ManifestSegment segment)
    {
        try
        {
            var header = LogRecovery.ReadHeader(file, segment.FirstPage);
            return SegmentFile.ReadFooter(file, header, out var footer) is not null && footer!.BodyChecksum == segment.Checksum
                && new FrameWalk(file, header, 0, -1).Checksum(0, footer.Offset) == segment.Checksum;
        }
        catch (SegmentException)
        {
            return false;
        }
    }
}
