using System.Runtime.InteropServices;
using System.Text;
using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>The last failure of each thread, in memory that stays valid until the same thread fails again.</summary>
static unsafe class LastError
{
    [ThreadStatic]
    static Slot? _slot;

    /// <summary>Remembers the failure and gives its status code. Nothing escapes from here: an exception across the ABI ends the process.</summary>
    public static int Set(Exception error)
    {
        var known = Translate(error);
        try
        {
            (_slot ??= new Slot()).Fill(known);
        }
        catch (OutOfMemoryException)
        {
            _slot = null;
        }
        return (int)known.Kind;
    }

    public static StoreException Translate(Exception error) => error switch
    {
        StoreException known => known,
        OperationCanceledException => new StoreException(ErrorKind.Cancelled, "operation", "cancelled by the caller", cause: error),
        OutOfMemoryException => new StoreException(ErrorKind.OutOfSpace, "memory", "the machine has not enough memory for this", cause: error),
        _ => new StoreException(ErrorKind.Internal, "s3dlio", $"internal error, please report it: {error.GetType().Name}: {error.Message}{Place(error)}", cause: error),
    };

    public static Slot? Current => _slot;

    static string Place(Exception error) => error.StackTrace?.Split('\n', 2)[0].Trim() is { Length: > 0 } line ? $" ({line})" : "";

    /// <summary>One failure as C sees it.</summary>
    public sealed class Slot
    {
        byte* _text;

        public int Kind { get; private set; }

        public long Offset { get; private set; }

        public byte* Message => _text;

        public byte* Uri { get; private set; }

        public byte* Detail { get; private set; }

        public void Fill(StoreException error)
        {
            byte[] message = Encoding.UTF8.GetBytes(error.Message), uri = Encoding.UTF8.GetBytes(error.Uri), detail = Encoding.UTF8.GetBytes(error.Detail);
            NativeMemory.Free(_text);
            _text = (byte*)NativeMemory.Alloc((nuint)(message.Length + uri.Length + detail.Length + 3));
            byte* at = Place(message, _text);
            Uri = at;
            at = Place(uri, at);
            Detail = at;
            Place(detail, at);
            Kind = (int)error.Kind;
            Offset = error.Offset ?? -1;
        }

        static byte* Place(byte[] text, byte* at)
        {
            text.CopyTo(new Span<byte>(at, text.Length));
            at[text.Length] = 0;
            return at + text.Length + 1;
        }

        ~Slot() => NativeMemory.Free(_text);
    }
}
