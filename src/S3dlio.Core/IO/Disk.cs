namespace S3dlio.IO;

/// <summary>How a file is opened.</summary>
enum DiskOpen
{
    /// <summary>An existing file, for reading.</summary>
    Read,

    /// <summary>An existing file, for reading and writing.</summary>
    Write,

    /// <summary>A new file, for reading and writing; EEXIST where there is one.</summary>
    Create,

    /// <summary>A file for reading and writing, made where there is none.</summary>
    WriteOrCreate,
}

/// <summary>
/// The seam between what must survive a crash and the machine. Nothing is durable before <see cref="DiskFile.Flush"/> (bytes and length) or
/// <see cref="SyncDirectory"/> (names) has returned. Every failure is a <see cref="DiskException"/>.
/// </summary>
abstract class Disk
{
    public abstract DiskFile Open(string path, DiskOpen mode);

    /// <summary>Creates the directory and those above it; one that exists is fine.</summary>
    public abstract void CreateDirectory(string path);

    /// <summary>Creates the directory and those above it that are not there, and makes their names durable.</summary>
    public void CreateDirectoryDurably(string path)
    {
        List<string> made = [];
        for (string? at = path; at is { Length: > 0 }; at = System.IO.Path.GetDirectoryName(at))
        {
            try
            {
                List(at);
                break;
            }
            catch (DiskException error) when (error.IsMissing)
            {
                made.Add(at);
            }
        }
        if (made.Count == 0)
            return;
        CreateDirectory(path);
        foreach (string one in made)
        {
            try
            {
                if (System.IO.Path.GetDirectoryName(one) is { Length: > 0 } above)
                    SyncDirectory(above);
            }
            catch (DiskException error) when (error.Errno is Errno.EACCES or Errno.ENOENT)
            {
                // a directory that may be entered and not read: its entries are its owner's matter
            }
        }
    }

    /// <summary>Names of the directory's entries, in no order.</summary>
    /// <exception cref="DiskException">ENOENT where there is no such directory.</exception>
    public abstract IReadOnlyList<string> List(string directory);

    /// <summary>
    /// Another number when names in the directory have changed; for a moment after a change it may stay the same. On a machine's disk it is
    /// the time of the change, in ticks of UTC.
    /// </summary>
    public abstract long DirectoryStamp(string directory);

    /// <summary>Gives the file another name and replaces what had it.</summary>
    public abstract void Rename(string from, string to);

    public abstract void Unlink(string path);

    /// <summary>Makes the names in the directory durable.</summary>
    public abstract void SyncDirectory(string path);

    /// <summary>Bytes that an ordinary user may still write on the file system of the directory.</summary>
    public abstract long FreeSpace(string directory);

    /// <summary>Whether the directory lies on a device of this machine: a network's may not answer for minutes.</summary>
    public abstract bool IsLocal(string directory);

    /// <summary>
    /// Takes the lock file's exclusive lock: one holder among all processes, none inherited by a forked child, freed by the kernel when the
    /// holder dies.
    /// </summary>
    /// <param name="path">The lock file; made where there is none.</param>
    /// <param name="holder">What the holder wrote about itself, when the lock is taken.</param>
    /// <returns>The lock, or null when another holds it.</returns>
    public abstract IDisposable? TryLock(string path, out string holder);

    /// <summary>What the holder of the lock file's lock wrote about itself; null when nobody holds it. Takes and frees nothing.</summary>
    public abstract string? Holder(string path);

    /// <summary>Changes when the machine starts: what the page cache held before is gone then.</summary>
    public abstract ulong BootId { get; }
}

/// <summary>An open file of a <see cref="Disk"/>. Reads may run beside each other and beside writes.</summary>
abstract class DiskFile : IDisposable
{
    public abstract string Path { get; }

    public abstract long Length { get; }

    /// <summary>Bytes that the file occupies on the device.</summary>
    public abstract long AllocatedLength { get; }

    /// <summary>Fills the buffer as far as the file goes.</summary>
    /// <returns>Bytes read; fewer than the buffer's at the end of the file only.</returns>
    public abstract int Read(Span<byte> buffer, long offset);

    /// <summary>
    /// Where the range lies in the address space, for <see cref="Interop.Gather"/> alone and until the file is disposed; false where it
    /// has to be read.
    /// </summary>
    public virtual bool TryPlace(long offset, int length, out nint place)
    {
        place = 0;
        return false;
    }

    /// <summary>Writes all of the bytes. After a failure any part of them may have been written.</summary>
    public abstract void Write(ReadOnlySpan<byte> data, long offset);

    /// <summary>Writes all of the pieces, one behind the other.</summary>
    public abstract void Write(IReadOnlyList<ReadOnlyMemory<byte>> pieces, long offset);

    /// <summary>Makes bytes and length durable. A failure is final: a later success says nothing of what was written before.</summary>
    public abstract void Flush();

    /// <summary>
    /// Reserves room for the file up to this length and extends the file to it with zeros; does nothing where the file system cannot
    /// reserve.
    /// </summary>
    /// <exception cref="DiskException">ENOSPC where there is not enough room.</exception>
    public abstract void Allocate(long length);

    /// <summary>Gives the range's blocks back; it reads as zeros. Does nothing where the file system cannot.</summary>
    public abstract void PunchHole(long offset, long length);

    /// <summary>Cuts the file or extends it with zeros.</summary>
    public abstract void SetLength(long length);

    public abstract void Dispose();
}
