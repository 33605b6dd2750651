using System.Runtime.InteropServices;

namespace S3dlio.OpLog;

/// <summary>Bytes for objects that nobody keeps: of each block so many are noise and the rest zero, and no two objects are alike.</summary>
public sealed class SyntheticData
{
    const int BlockLength = 4096;

    readonly int _noise;
    ulong _state;

    /// <param name="seed">Another one, other bytes.</param>
    /// <param name="compress">How many times smaller the data can be made; 1 for noise alone.</param>
    public SyntheticData(ulong seed, double compress = 1)
    {
        _noise = (int)(BlockLength / Math.Max(1, compress)) & ~7;
        _state = (seed + 1) * 0x9E3779B97F4A7C15;
    }

    /// <summary>Fills memory with what comes next.</summary>
    public void Fill(Span<byte> target)
    {
        while (target.Length > 0)
        {
            var block = target[..Math.Min(BlockLength, target.Length)];
            int noise = Math.Min(_noise, block.Length);
            var words = MemoryMarshal.Cast<byte, ulong>(block[..noise]);
            // xorshift64*
            ulong x = _state;
            for (int i = 0; i < words.Length; i++)
            {
                x ^= x >> 12;
                x ^= x << 25;
                x ^= x >> 27;
                words[i] = x * 0x2545F4914F6CDD1D;
            }
            _state = x;
            block[(words.Length * 8)..].Clear();
            if (words.Length == 0 && noise > 0)
                block[0] = (byte)x;
            target = target[block.Length..];
        }
    }
}
