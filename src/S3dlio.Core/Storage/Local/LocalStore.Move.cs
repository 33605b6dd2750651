using S3dlio.Hashing;
using S3dlio.IO;

namespace S3dlio.Storage.Local;

public sealed partial class LocalStore
{
    const int CopyLength = 1 << 20;

    /// <remarks>
    /// A source with a recorded checksum is copied within the kernel and the record goes with it, so a later read still finds out whether
    /// the bytes are the original ones. Without a record, or past the page cache, the bytes come through here and are hashed.
    /// </remarks>
    public override async ValueTask<ObjectMeta> CopyAsync(string source, string destination, PutOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        string from = _path.Object(source);
        string to = _path.Object(destination);
        if (!options.Describes && await IsOneObjectAsync(source, this, destination, moves: false, cancel).ConfigureAwait(false))
            return await OntoItselfAsync(destination, options, cancel).ConfigureAwait(false);
        var reader = OpenReader(source, Root.Child(source), from, ReadOptions.Default);
        await using (reader.ConfigureAwait(false))
        {
            using var temporary = new TemporaryFile(
                WriteTarget.Inspect(Root.Child(destination), to, options with { Permissions = reader.Meta.Permissions }),
                IsDurable(options), cancel);
            var record = reader.Record with
            {
                ContentType = options.ContentType ?? reader.Meta.ContentType,
                Metadata = options.Metadata ?? reader.Meta.Metadata,
                Attributes = ObjectAttributes.Copied(reader.Meta, options, WritableAttributes),
            };
            if (_direct || record.Checksum is null || !CopyInKernel(reader, temporary, cancel))
            {
                var checksum = await CopyHashedAsync(reader, temporary, cancel).ConfigureAwait(false);
                if (record.Checksum is { } recorded && (recorded != checksum || record.Size != reader.Meta.Size))
                    throw StoreException.ChecksumMismatch(Root.Child(source),
                        $"expected {recorded} over {record.Size} bytes as recorded, found {checksum} over {reader.Meta.Size}: the file was "
                        + "changed since it was written, or its bytes were damaged");
                record = record with { Checksum = checksum, Size = reader.Meta.Size };
            }
            cancel.ThrowIfCancellationRequested();
            return await temporary.CommitAsync(destination, record, options, LockPatience, cancel).ConfigureAwait(false);
        }
    }

    /// <summary>One rename(2). A link is copied instead, then removed: moved as it is, a relative one would point elsewhere.</summary>
    public override async ValueTask<ObjectMeta> RenameAsync(string source, string destination, PutOptions options, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        string from = _path.Object(source);
        string to = _path.Object(destination);
        string uri = Root.Child(source);
        LocalError.Check(Interop.Status(from, follow: false, out var moved), uri, "rename");
        if (!moved.IsLink)
            LocalFile.CheckRegular(uri, moved, "rename");
        if (await IsOneObjectAsync(source, this, destination, moves: true, cancel).ConfigureAwait(false))
            return await OntoItselfAsync(destination, options, cancel).ConfigureAwait(false);
        if (moved.IsLink || options.ContentType is not null || options.Metadata is not null || options.Attributes is not null)
            return await base.RenameAsync(source, destination, options, cancel).ConfigureAwait(false);
        var target = WriteTarget.Inspect(Root.Child(destination), to, options);
        var made = new List<string>();
        if (target.Existing is { } existing && existing.IsSameFile(moved))
        {
            // rename(2) leaves two names of one file as they are; that these are two was seen above
            LocalError.Check(Interop.Unlink(from), uri, "rename");
        }
        else
        {
            if (target.Existing is null && Interop.Status(LocalPath.Parent(target.Path), follow: true, out _) == Errno.ENOENT)
                Directories.Make(target.Uri, LocalPath.Parent(target.Path), made);
            if (IsDurable(options))
                SyncFile(uri, from);
            if (!await TryPlaceAsync(from, target, options, cancel).ConfigureAwait(false))
                return await base.RenameAsync(source, destination, options, cancel).ConfigureAwait(false);
        }
        if (IsDurable(options))
        {
            TemporaryFile.SyncNames(target, made);
            Directories.Sync(uri, LocalPath.Parent(from));
        }
        return await HeadAsync(destination, cancel).ConfigureAwait(false);
    }

    /// <remarks>
    /// Of one inode are a file by two ways to it (linked directories, bind mounts, file:// and direct://) and a file with hard links. To a
    /// copy both are one object; to a rename two links are two, so what holds them and their names are compared.
    /// </remarks>
    protected override ValueTask<bool> IsOneObjectAsync(
        string key, ObjectStore other, string otherKey, bool moves, CancellationToken cancel)
    {
        if (other is not LocalStore store)
            return ValueTask.FromResult(false);
        string from = _path.Object(key), to = store._path.Object(otherKey);
        if (!moves)
            return ValueTask.FromResult(IsOneFile(from, true, to, true, out _));
        // a symbolic link is moved by itself, and written through
        bool isOne = (IsOneFile(from, false, to, false, out var link) && (link.Links == 1 || IsOneName(from, to)))
            || (IsOneFile(from, false, to, true, out var file)
                    && (file.Links == 1 || IsOneName(from, WriteTarget.Inspect(store.Root.Child(otherKey), to, PutOptions.Default).Path)));
        return ValueTask.FromResult(isOne);
    }

    static bool IsOneFile(string a, bool followA, string b, bool followB, out FileStatus status) =>
        Interop.Status(a, followA, out status) == 0 & Interop.Status(b, followB, out var other) == 0 && status.IsSameFile(other);

    /// <summary>One entry of one directory. Some file systems do not tell upper from lower case.</summary>
    static bool IsOneName(string a, string b) =>
        a[(a.LastIndexOf('/') + 1)..].Equals(b[(b.LastIndexOf('/') + 1)..], StringComparison.OrdinalIgnoreCase)
        && IsOneFile(LocalPath.Parent(a), true, LocalPath.Parent(b), true, out _);

    /// <returns>False when the two places lie on different file systems.</returns>
    async ValueTask<bool> TryPlaceAsync(string from, WriteTarget target, PutOptions options, CancellationToken cancel)
    {
        int errno = await TemporaryFile.PlaceAsync(from, target, options, LockPatience, cancel).ConfigureAwait(false);
        for (int tries = 0; errno == Errno.ENOENT && tries < Directories.MostTries && Interop.Status(from, follow: false, out _) == 0;
            tries++)
        {
            // a concurrent delete of the tree removed the directory again
            Directories.Make(target.Uri, LocalPath.Parent(target.Path), []);
            errno = await TemporaryFile.PlaceAsync(from, target, options, LockPatience, cancel).ConfigureAwait(false);
        }
        if (errno == Errno.EXDEV)
            return false;
        LocalError.Check(errno, target.Uri, "give the file its name");
        return true;
    }

    static void SyncFile(string uri, string path)
    {
        using var handle = LocalFile.Open(uri, path, out _);
        LocalError.Check(Interop.Flush(handle), uri, "flush the data to the device");
    }

    /// <returns>False when the kernel cannot copy between these files.</returns>
    static bool CopyInKernel(LocalReader reader, TemporaryFile temporary, CancellationToken cancel)
    {
        // large enough to be shared as one extent, small enough to hear a cancel
        const long step = 256 << 20;
        for (long at = 0; at < reader.Meta.Size;)
        {
            cancel.ThrowIfCancellationRequested();
            int errno = Interop.CopyRange(reader.Handle, temporary.Handle, at, Math.Min(step, reader.Meta.Size - at), out long count);
            if (errno is Errno.EXDEV or Errno.EINVAL or Errno.EOPNOTSUPP or Errno.ENOSYS || (errno == 0 && count == 0 && at == 0))
                return false;
            LocalError.Check(errno, temporary.Uri, "copy");
            if (count == 0)
                throw reader.Shrunk(at);
            at += count;
        }
        return true;
    }

    async ValueTask<Checksum> CopyHashedAsync(LocalReader reader, TemporaryFile temporary, CancellationToken cancel)
    {
        var checksum = Checksum.Empty;
        var buffer = AlignedBuffer.Rent();
        var sink = OpenSink(temporary, headLength: 0);
        try
        {
            int step = _direct ? buffer.Length : CopyLength;
            for (long at = 0; at < reader.Meta.Size; at += step)
            {
                var block = buffer.Memory[..(int)Math.Min(step, reader.Meta.Size - at)];
                await reader.ReadAsync(at, block, cancel).ConfigureAwait(false);
                checksum = checksum.Append(block.Span);
                await sink.WriteAsync(block, cancel).ConfigureAwait(false);
            }
            await sink.FinishAsync(default, cancel).ConfigureAwait(false);
        }
        finally
        {
            await sink.DisposeAsync().ConfigureAwait(false);
            buffer.Return();
        }
        return checksum;
    }
}
