using System.Text;
using S3dlio.Storage;

namespace S3dlio.Fuzz;

/// <summary>A parser, what its inputs look like, and what has to hold whatever it is given.</summary>
public abstract class Target
{
    /// <summary>Also the folder of its corpus.</summary>
    public abstract string Name { get; }

    /// <summary>Inputs that the parser takes, to begin with.</summary>
    public virtual IEnumerable<byte[]> Seeds => [];

    /// <summary>Of whole inputs; null where seeds and mutations say more.</summary>
    public virtual Grammar? Grammar => null;

    /// <summary>Pieces that mean something to the parser.</summary>
    public virtual IReadOnlyList<string> Tokens => [];

    /// <summary>Makes lengths and checksums right again, so that what lies behind those checks is reached.</summary>
    public virtual byte[] Repair(byte[] input) => input;

    /// <summary>Parses, and checks what must hold of the result.</summary>
    /// <returns>What came out, in a few words: two inputs with the same words are taken to have gone the same way.</returns>
    /// <exception cref="ViolationException">Something does not hold.</exception>
    public abstract string Run(byte[] input);

    /// <summary>Whether the parser's documentation tells of this exception; every other is a fault.</summary>
    public virtual bool Documents(Exception fault) => fault is StoreException { Kind: ErrorKind.InvalidData };

    /// <summary>Bytes that an input of this length may make the parser allocate, its error message with them.</summary>
    public virtual long Allowance(int length) => (256 << 10) + (128L * length);

    /// <summary>As the C ABI hands it over: always whole characters.</summary>
    protected static string Text(ReadOnlySpan<byte> input) => Encoding.UTF8.GetString(input);

    protected static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    protected static IEnumerable<byte[]> Texts(params string[] texts) => texts.Select(Bytes);

    protected static void Must(bool holds, string what)
    {
        if (!holds)
            throw new ViolationException(what);
    }
}

/// <summary>What has to hold of a parser does not.</summary>
public sealed class ViolationException(string what) : Exception(what);
