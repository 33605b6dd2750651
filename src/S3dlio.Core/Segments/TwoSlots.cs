using System.Buffers.Binary;
using S3dlio.Hashing;
using S3dlio.IO;

namespace S3dlio.Segments;

/// <summary>
/// A small file that is written in place and is always whole: two slots of 4 KiB in turns, each with a generation and a checksum. A crash
/// in the middle of a write leaves the other slot.
/// </summary>
static class TwoSlots
{
    public const int SlotLength = 4096, MostContent = SlotLength - HeaderLength - 4;

    const int HeaderLength = 24;

    static ReadOnlySpan<byte> Magic => "S3DLSLOT"u8;

    /// <summary>The newest content that is whole; null when neither slot is or there is no file.</summary>
    public static (byte[] Content, long Generation)? Read(Disk disk, string path)
    {
        try
        {
            using var file = disk.Open(path, DiskOpen.Read);
            return Read(file);
        }
        catch (DiskException error) when (error.IsMissing)
        {
            return null;
        }
    }

    public static (byte[] Content, long Generation)? Read(DiskFile file)
    {
        var bytes = new byte[2 * SlotLength];
        return Read(bytes.AsSpan(0, file.Read(bytes, 0)));
    }

    /// <summary>The same of the file's bytes.</summary>
    public static (byte[] Content, long Generation)? Read(ReadOnlySpan<byte> bytes)
    {
        (byte[] Content, long Generation)? best = null;
        for (int i = 0; i < 2 && bytes.Length >= (i + 1) * SlotLength; i++)
        {
            var slot = bytes.Slice(i * SlotLength, SlotLength);
            if (!IsWhole(slot))
                continue;
            long generation = BinaryPrimitives.ReadInt64LittleEndian(slot[8..]);
            int length = BinaryPrimitives.ReadInt32LittleEndian(slot[16..]);
            if (length is < 0 or > MostContent || generation < 0 || generation % 2 != i || best?.Generation > generation)
                continue;
            best = (slot.Slice(HeaderLength, length).ToArray(), generation);
        }
        return best;
    }

    /// <summary>Slots that were written once and are not whole now.</summary>
    public static int CountDamaged(DiskFile file)
    {
        int damaged = 0;
        var slot = new byte[SlotLength];
        for (int i = 0; i < 2; i++)
        {
            int count = file.Read(slot, (long)i * SlotLength);
            if (slot.AsSpan(0, count).ContainsAnyExcept((byte)0) && !IsWhole(slot.AsSpan(0, count)))
                damaged++;
        }
        return damaged;
    }

    static bool IsWhole(ReadOnlySpan<byte> slot) => slot.Length == SlotLength && slot.StartsWith(Magic)
        && Crc32C.Compute(slot[..(SlotLength - 4)]) == BinaryPrimitives.ReadUInt32LittleEndian(slot[(SlotLength - 4)..]);

    /// <summary>
    /// Makes the file with its first content, under a temporary name until it is durable. The directory's sync is the caller's.
    /// </summary>
    public static void Create(Disk disk, string directory, string name, ReadOnlySpan<byte> content)
    {
        string temporary = $"{directory}/tmp-{name}", path = $"{directory}/{name}";
        using (var file = disk.Open(temporary, DiskOpen.WriteOrCreate))
        {
            file.SetLength(2 * SlotLength);
            Write(file, content, 0);
        }
        disk.Rename(temporary, path);
    }

    /// <summary>Writes the slot that the generation names, and flushes.</summary>
    public static void Write(DiskFile file, ReadOnlySpan<byte> content, long generation)
    {
        file.Write(Slot(content, generation), generation % 2 * SlotLength);
        file.Flush();
    }

    /// <summary>A file with its first content, for places where nothing is written in place.</summary>
    public static byte[] ToBytes(ReadOnlySpan<byte> content)
    {
        var bytes = new byte[2 * SlotLength];
        Slot(content, 0).CopyTo(bytes.AsSpan());
        return bytes;
    }

    static byte[] Slot(ReadOnlySpan<byte> content, long generation)
    {
        var slot = new byte[SlotLength];
        Magic.CopyTo(slot);
        BinaryPrimitives.WriteInt64LittleEndian(slot.AsSpan(8), generation);
        BinaryPrimitives.WriteInt32LittleEndian(slot.AsSpan(16), content.Length);
        content.CopyTo(slot.AsSpan(HeaderLength));
        BinaryPrimitives.WriteUInt32LittleEndian(slot.AsSpan(SlotLength - 4), Crc32C.Compute(slot.AsSpan(0, SlotLength - 4)));
        return slot;
    }
}
