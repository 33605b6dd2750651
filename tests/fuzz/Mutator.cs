using System.Buffers.Binary;
using System.Text;

namespace S3dlio.Fuzz;

/// <summary>Changes an input in a few places.</summary>
public static class Mutator
{
    public const int MostLong = 64 << 10;

    public static byte[] Mutate(byte[] input, IReadOnlyList<string> tokens, IReadOnlyList<byte[]> others, Chance chance)
    {
        var bytes = new List<byte>(input);
        for (int count = 1 + chance.Below(chance.In(4) ? 12 : 3); count > 0; count--)
            Change(bytes, tokens, others, chance);
        return bytes.Count > MostLong ? [.. bytes.Take(MostLong)] : [.. bytes];
    }

    static void Change(List<byte> bytes, IReadOnlyList<string> tokens, IReadOnlyList<byte[]> others, Chance chance)
    {
        int at = chance.Below(bytes.Count + 1), length = Math.Min(bytes.Count - at, 1 + chance.Below(chance.In(3) ? 256 : 8));
        switch (chance.Below(11))
        {
            case 0 when at < bytes.Count:
                bytes[at] ^= (byte)(1 << chance.Below(8));
                break;
            case 1 when at < bytes.Count:
                bytes[at] = chance.Byte();
                break;
            case 2:
                bytes.RemoveRange(at, length);
                break;
            case 3:
                bytes.InsertRange(at, bytes.GetRange(at, length));
                break;
            case 4:
                bytes.InsertRange(at, Encoding.UTF8.GetBytes(tokens.Count > 0 && !chance.In(3) ? chance.Of(tokens) : chance.Text()));
                break;
            case 5:
                ReplaceNumber(bytes, at, chance);
                break;
            case 6:
                WriteWord(bytes, at, chance);
                break;
            case 7 when others.Count > 0:
                Splice(bytes, at, chance.Of(others), chance);
                break;
            case 8 when chance.In(3):
                bytes.RemoveRange(at, bytes.Count - at);
                break;
            case 9 when at < bytes.Count:
                Repeat(bytes, at, length, chance);
                break;
            default:
                if (at < bytes.Count)
                    bytes[at] = (byte)(bytes[at] + chance.Of([1, 255, 16, 240]));
                break;
        }
    }

    /// <summary>Another number in the place of the digits at or behind a place.</summary>
    static void ReplaceNumber(List<byte> bytes, int at, Chance chance)
    {
        int begin = bytes.FindIndex(at, static b => b is >= (byte)'0' and <= (byte)'9');
        if (begin < 0)
            return;
        int end = begin;
        while (end < bytes.Count && bytes[end] is >= (byte)'0' and <= (byte)'9')
            end++;
        bytes.RemoveRange(begin, end - begin);
        bytes.InsertRange(begin, Encoding.UTF8.GetBytes(chance.Number()));
    }

    static void WriteWord(List<byte> bytes, int at, Chance chance)
    {
        Span<byte> word = stackalloc byte[8];
        if (chance.In(4))
            BinaryPrimitives.WriteUInt64BigEndian(word, chance.Word());
        else
            BinaryPrimitives.WriteUInt64LittleEndian(word, chance.Word());
        int width = chance.Of([1, 2, 4, 8]);
        for (int i = 0; i < width && at + i < bytes.Count; i++)
            bytes[at + i] = word[i];
    }

    static void Splice(List<byte> bytes, int at, byte[] other, Chance chance)
    {
        if (other.Length == 0)
            return;
        int begin = chance.Below(other.Length);
        if (chance.In(2))
            bytes.RemoveRange(at, bytes.Count - at);
        bytes.InsertRange(at, other[begin..Math.Min(other.Length, begin + 1 + chance.Below(4096))]);
    }

    static void Repeat(List<byte> bytes, int at, int length, Chance chance)
    {
        var piece = bytes.GetRange(at, length);
        for (int count = chance.Of([2, 3, 17, 70, 300]); count > 0 && bytes.Count < MostLong; count--)
            bytes.InsertRange(at, piece);
    }
}
