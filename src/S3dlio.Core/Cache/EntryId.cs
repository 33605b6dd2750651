using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace S3dlio.Cache;

/// <summary>
/// The name of an entry: a hash of what it is of. Two that have one name by chance are told apart by what stands in the entry itself, so a
/// collision is a miss.
/// </summary>
readonly record struct EntryId(ulong High, ulong Low)
{
    public const int Length = 16;

    /// <summary>Tests make names collide with it.</summary>
    internal static Func<EntryId, EntryId>? Hook;

    /// <summary>That of an object's description.</summary>
    public static EntryId OfMeta(ReadOnlySpan<byte> identity) => Of(identity, 'm', default);

    /// <summary>That of a block of one version.</summary>
    /// <param name="version">What names the version: see <see cref="ObjectVersion"/>.</param>
    /// <param name="block">Its number.</param>
    public static EntryId OfBlock(ReadOnlySpan<byte> version, long block) => Of(version, 'b', block);

    /// <summary>The turn to write an object to the journals. It names no entry.</summary>
    public static EntryId OfTurn(ReadOnlySpan<byte> identity) => Of(identity, 'w', default);

    static EntryId Of(ReadOnlySpan<byte> subject, char kind, long number)
    {
        Span<byte> tail = stackalloc byte[9], hash = stackalloc byte[Length];
        tail[0] = (byte)kind;
        BinaryPrimitives.WriteInt64LittleEndian(tail[1..], number);
        var hasher = new XxHash128();
        hasher.Append(subject);
        hasher.Append(tail);
        hasher.GetHashAndReset(hash);
        var made = Read(hash);
        return Hook is null ? made : Hook(made);
    }

    public static EntryId Read(ReadOnlySpan<byte> bytes) =>
        new(BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes[8..]));

    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64BigEndian(bytes, High);
        BinaryPrimitives.WriteUInt64BigEndian(bytes[8..], Low);
    }

    /// <summary>As its file is called.</summary>
    public override string ToString() => string.Create(32, this, static (text, id) =>
    {
        id.High.TryFormat(text, out _, "x16", System.Globalization.CultureInfo.InvariantCulture);
        id.Low.TryFormat(text[16..], out _, "x16", System.Globalization.CultureInfo.InvariantCulture);
    });

    public static bool TryParse(string name, out EntryId id)
    {
        id = default;
        if (name.Length != 32
            || !ulong.TryParse(name.AsSpan(0, 16), System.Globalization.NumberStyles.AllowHexSpecifier, null, out ulong high)
            || !ulong.TryParse(name.AsSpan(16), System.Globalization.NumberStyles.AllowHexSpecifier, null, out ulong low))
            return false;
        id = new EntryId(high, low);
        return true;
    }
}

/// <summary>One version of one object, as its blocks name it.</summary>
/// <param name="Identity">The object: see <see cref="IdentityOf"/>.</param>
/// <param name="Tag">Its ETag, as UTF-8.</param>
/// <param name="Size">Its length in bytes.</param>
/// <param name="BlockSize">How it is cut.</param>
sealed record ObjectVersion(byte[] Identity, byte[] Tag, long Size, int BlockSize)
{
    /// <summary>Identity and tag have to fit into a block's header.</summary>
    public const int MostText = 3000;

    readonly byte[] _subject = Subject(Identity, Tag, Size, BlockSize);

    /// <summary>What tells an object from all others that a cache may hold: its place and address.</summary>
    public static byte[] IdentityOf(string place, string address) => [.. IO.PathText.Encode(place), 0, .. IO.PathText.Encode(address)];

    public long Blocks => (Size + BlockSize - 1) / BlockSize;

    public int LengthOf(long block) => (int)Math.Min(BlockSize, Size - (block * BlockSize));

    public EntryId Id(long block) => EntryId.OfBlock(_subject, block);

    static byte[] Subject(byte[] identity, byte[] tag, long size, int blockSize)
    {
        var numbers = new byte[12];
        BinaryPrimitives.WriteInt64LittleEndian(numbers, size);
        BinaryPrimitives.WriteInt32LittleEndian(numbers.AsSpan(8), blockSize);
        return [.. identity, 0, .. tag, 0, .. numbers];
    }
}
