using S3dlio.IO;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Tensors;

/// <summary>Reads the head of an object whose first bytes tell how long it is.</summary>
static class HeadRead
{
    /// <summary>Enough for nearly every header, so that one read does.</summary>
    public const int Guess = 64 << 10;

    public delegate int RequiredLength(ReadOnlySpan<byte> begin, long objectLength, string uri);

    /// <summary>
    /// Opens an object, or where it is missing the compressed one of its name, and makes of its reader, URI and head what is wanted;
    /// where that fails nothing stays open.
    /// </summary>
    public static async ValueTask<T> OpenAsync<T>(
        ObjectStore store, string key, int prefixLength, RequiredLength required, Func<ObjectReader, string, byte[], T> make,
        CancellationToken cancel)
    {
        var reader = await ObjectInput.OpenAsync(store, key, Decompress.Auto, ReadOptions.Headed, cancel).ConfigureAwait(false);
        // decoding is no work for the calling thread
        if (reader is CompressedReader)
            await ThreadSwitch.ToPoolAsync();
        string uri = store.Root.Child(reader.Meta.Key);
        try
        {
            return make(reader, uri, await ReadAsync(reader, prefixLength, required, uri, cancel).ConfigureAwait(false));
        }
        catch
        {
            await reader.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>The head, exactly as long as <paramref name="required"/> demands; it checks that length before it is allocated.</summary>
    static async ValueTask<byte[]> ReadAsync(
        ObjectReader reader, int prefixLength, RequiredLength required, string uri, CancellationToken cancel)
    {
        long size = reader.Meta.Size;
        var begin = new byte[(int)Math.Min(Guess, size)];
        await reader.ReadAsync(0, begin, cancel).ConfigureAwait(false);
        int length = required(begin.AsSpan(0, Math.Min(prefixLength, begin.Length)), size, uri);
        var head = length <= begin.Length ? begin[..length] : new byte[length];
        if (length > begin.Length)
        {
            // nor is a header of megabytes, which takes long to parse
            await ThreadSwitch.ToPoolAsync();
            begin.CopyTo(head, 0);
            await reader.ReadAsync(begin.Length, head.AsMemory(begin.Length), cancel).ConfigureAwait(false);
        }
        return head;
    }
}
