using System.Globalization;

namespace S3dlio.IO;

/// <summary>What the kernel says of one file.</summary>
readonly struct FileStatus(Interop.Statx raw)
{
    const uint TypeMask = 0xf000, RegularType = 0x8000, DirectoryType = 0x4000, LinkType = 0xa000;

    public long Size => raw.Size;

    /// <summary>How many names it has.</summary>
    public uint Links => raw.Links;

    public uint User => raw.User;

    public uint Group => raw.Group;

    /// <summary>Read, write and execute bits of owner, group and others.</summary>
    public uint Permissions => raw.Mode & 0x1ffu;

    public bool IsRegular => (raw.Mode & TypeMask) == RegularType;

    public bool IsDirectory => (raw.Mode & TypeMask) == DirectoryType;

    public bool IsLink => (raw.Mode & TypeMask) == LinkType;

    /// <summary>The type in words, with its article.</summary>
    public string TypeName => (raw.Mode & TypeMask) switch
    {
        RegularType => "a regular file",
        DirectoryType => "a directory",
        LinkType => "a symbolic link",
        0x1000 => "a FIFO",
        0x2000 => "a character device",
        0x6000 => "a block device",
        0xc000 => "a socket",
        _ => "a special file",
    };

    public DateTimeOffset LastModified
    {
        get
        {
            // what a DateTimeOffset can hold: the years 1 to 9999
            long seconds = Math.Clamp(raw.ModifiedSeconds, -62135596800, 253402300799);
            return DateTimeOffset.FromUnixTimeSeconds(seconds).AddTicks(raw.ModifiedNanoseconds / 100);
        }
    }

    /// <summary>
    /// Inode, time and size: a commit makes a new inode and stamps it to the nanosecond, so every write gets a tag of its own.
    /// </summary>
    public string ETag =>
        string.Create(CultureInfo.InvariantCulture, $"\"{raw.Inode:x}-{raw.ModifiedSeconds:x}.{raw.ModifiedNanoseconds:x8}-{raw.Size:x}\"");

    /// <summary>What offsets and lengths of O_DIRECT must be multiples of.</summary>
    public int DirectAlignment => (int)Math.Max(AlignedBuffer.Alignment, raw.DirectOffsetAlignment);

    public bool IsSameFile(in FileStatus other) => Identity == other.Identity;

    /// <summary>Which file it is, among all of the machine.</summary>
    public (ulong Device, ulong Inode) Identity => (((ulong)raw.DeviceMajor << 32) | raw.DeviceMinor, raw.Inode);

    /// <summary>Bytes that it occupies on the device.</summary>
    public long AllocatedLength => (long)raw.Blocks * 512;
}
