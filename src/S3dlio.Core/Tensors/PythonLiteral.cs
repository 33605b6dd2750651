using System.Text;
using S3dlio.Storage;

namespace S3dlio.Tensors;

/// <summary>A fault in a Python literal and the character at which it was found; its catcher knows the object and adds it.</summary>
sealed class PythonLiteralException(string message, int position) : Exception(message)
{
    internal int Position { get; } = position;
}

/// <summary>
/// Reads the small part of Python that a .npy header may hold: one dictionary of a dtype description, a bool and a tuple of integers.
/// It follows the grammar of <c>numpy.lib.format.descr_to_dtype</c> and evaluates nothing.
/// </summary>
ref partial struct PythonLiteral(ReadOnlySpan<char> text, bool longIntegers)
{
    const int MaxDepth = 32;

    readonly ReadOnlySpan<char> text = text;

    // what of a dtype description is another text in what is returned: Python 2's L behind integers, comments, strings that repr does not
    // write
    readonly List<(int Begin, int End, string Text)> edits = [];

    int position;

    /// <summary>The character of the next token, or of a comment before it.</summary>
    internal int Position
    {
        get
        {
            SkipBlanks();
            return position;
        }
    }

    internal bool TryTake(char token)
    {
        SkipSpace();
        if (position == text.Length || text[position] != token)
            return false;
        position++;
        return true;
    }

    internal void Expect(char token, string what)
    {
        if (!TryTake(token))
            throw Unexpected($"'{token}' for {what}");
    }

    internal void ExpectEnd()
    {
        SkipSpace();
        if (position < text.Length)
            throw Unexpected("nothing more");
    }

    /// <summary>What stands behind the dictionary: white space and comments. Returns the first that begins so, from its # on.</summary>
    internal ReadOnlySpan<char> Comment(string beginning)
    {
        ReadOnlySpan<char> found = default;
        for (SkipBlanks(); position < text.Length && text[position] == '#'; SkipBlanks())
        {
            var comment = TakeComment();
            if (found.IsEmpty && comment.StartsWith(beginning))
                found = comment;
        }
        ExpectEnd();
        return found;
    }

    internal bool Boolean()
    {
        SkipSpace();
        if (TryTakeWord("True"))
            return true;
        if (TryTakeWord("False"))
            return false;
        throw Unexpected("True or False for fortran_order");
    }

    /// <summary>A tuple of integers ≥ 0.</summary>
    internal long[] Shape(int maxRank)
    {
        var shape = new List<long>();
        Expect('(', "the shape's tuple");
        while (!TryTake(')'))
        {
            if (shape.Count == maxRank)
                throw new PythonLiteralException($"expected at most {maxRank} dimensions, found more", Position);
            shape.Add(Integer("a dimension"));
            if (TryTake(','))
                continue;
            if (shape.Count == 1)
                throw Unexpected("the ',' that makes a tuple of one dimension");
            Expect(')', "the end of the shape");
            break;
        }
        return shape.ToArray();
    }

    /// <summary>A dtype description; returns its text.</summary>
    internal string Descr()
    {
        SkipSpace();
        int begin = position;
        edits.Clear();
        Type(0);
        var descr = new StringBuilder().Append(text[begin..position]);
        for (int i = edits.Count - 1; i >= 0; i--)
            descr.Remove(edits[i].Begin - begin, edits[i].End - edits[i].Begin).Insert(edits[i].Begin - begin, edits[i].Text);
        edits.Clear();
        return descr.ToString().TrimEnd(Blanks);
    }

    /// <summary>Notes another text for a range of the description; those within it are then of no account.</summary>
    readonly void Replace(int begin, int end, string with)
    {
        edits.RemoveAll(edit => edit.Begin >= begin && edit.End <= end);
        // comments behind the range were noted before it
        int at = edits.FindIndex(edit => edit.Begin >= end);
        edits.Insert(at < 0 ? edits.Count : at, (begin, end, with));
    }

    // type := 'string' | (type, shape) | [field, ...]
    void Type(int depth)
    {
        if (depth == MaxDepth)
            throw new PythonLiteralException($"expected types nested at most {MaxDepth} deep, found more", Position);
        if (TryTake('('))
        {
            Type(depth + 1);
            Expect(',', "the shape of a subarray type");
            SubarrayShape();
            TryTake(',');
            Expect(')', "the end of a subarray type");
        }
        else if (TryTake('['))
        {
            while (!TryTake(']'))
            {
                Field(depth + 1);
                if (!TryTake(','))
                {
                    Expect(']', "the end of the fields");
                    break;
                }
            }
        }
        else
        {
            int at = Position;
            RefuseObjects(Token("a type string, a subarray tuple or a list of fields"), at);
        }
    }

    // field := (name, type) | (name, type, shape);  name := 'string' | (title, 'string')
    void Field(int depth)
    {
        Expect('(', "a field's tuple");
        if (TryTake('('))
        {
            Title();
            Expect(',', "the name behind a field's title");
            String("a field's name");
            TryTake(',');
            Expect(')', "the end of title and name");
        }
        else
        {
            String("a field's name");
        }
        Expect(',', "a field's type");
        Type(depth);
        if (TryTake(')'))
            return;
        Expect(',', "the end of a field's type");
        if (TryTake(')'))
            return;
        SubarrayShape();
        TryTake(',');
        Expect(')', "the end of a field");
    }

    // NumPy allows any object as a title; these are the ones whose repr is a literal
    void Title()
    {
        SkipSpace();
        if (position < text.Length && char.IsAsciiDigit(text[position]))
            Integer("a field's title");
        else if (!TryTakeWord("None") && !TryTakeWord("True") && !TryTakeWord("False"))
            String("a field's title");
    }

    void SubarrayShape()
    {
        SkipSpace();
        if (position < text.Length && text[position] == '(')
            Shape(NpyHeader.MaxRank);
        else
            Integer("a subarray's shape");
    }

    long Integer(string what)
    {
        SkipSpace();
        int begin = position;
        long value = 0;
        while (position < text.Length && char.IsAsciiDigit(text[position]))
        {
            int digit = text[position] - '0';
            if (value > (long.MaxValue - digit) / 10)
                throw new PythonLiteralException($"expected {what} below 2^63, found a larger number", begin);
            value = value * 10 + digit;
            position++;
        }
        if (position == begin)
            throw Unexpected($"{what} of 0 or more");
        if (text[begin] == '0' && position - begin > 1)
            throw new PythonLiteralException($"expected {what} without leading zeros", begin);
        if (longIntegers && position < text.Length && text[position] == 'L')
        {
            Replace(position, position + 1, "");
            position++;
        }
        if (position < text.Length && (char.IsAsciiLetterOrDigit(text[position]) || text[position] is '.' or '_'))
            throw Unexpected($"{what} in plain decimal digits");
        return value;
    }

    // The bytes of such elements are pointers in memory and pickles in a file. The rule is wider than dtype.str needs, because
    // numpy.dtype also understands names ("object") and lists in one string ("i4,O").
    static void RefuseObjects(StringToken type, int at)
    {
        if (type.Value.AsSpan().IndexOfAny('O', 'T', '\\') >= 0 || type.Value.Contains("object", StringComparison.OrdinalIgnoreCase))
        {
            throw new PythonLiteralException(
                $"expected elements of plain data, found {MessageText.Quote(type.Shown)}, whose elements are Python objects or unknown; "
                + "convert the array to numbers or fixed-width strings", at);
        }
    }

    bool TryTakeWord(string word)
    {
        if (!text[position..].StartsWith(word))
            return false;
        int after = position + word.Length;
        if (after < text.Length && (char.IsLetterOrDigit(text[after]) || text[after] == '_'))
            return false;
        position = after;
        return true;
    }

    static readonly char[] Blanks = [' ', '\t', '\n', '\r', '\f'];

    /// <summary>White space, comments and lines that go on: all that may stand between two tokens.</summary>
    void SkipSpace()
    {
        for (SkipBlanks(); position < text.Length && text[position] == '#'; SkipBlanks())
        {
            int begin = position;
            TakeComment();
            Replace(begin, position, "");
        }
    }

    void SkipBlanks()
    {
        while (position < text.Length)
        {
            if (Blanks.Contains(text[position]))
            {
                position++;
                continue;
            }
            int line = text[position..].StartsWith("\\\n") ? 2 : text[position..].StartsWith("\\\r\n") ? 3 : 0;
            if (line == 0)
                break;
            Replace(position, position + line, " ");
            position += line;
        }
    }

    ReadOnlySpan<char> TakeComment()
    {
        var rest = text[position..];
        int line = rest.IndexOfAny('\n', '\r');
        var comment = line < 0 ? rest : rest[..line];
        position += comment.Length;
        return comment;
    }

    PythonLiteralException Unexpected(string expected)
    {
        string found = position < text.Length ? MessageText.Quote(text.Slice(position, 1)) : "the end";
        return new PythonLiteralException($"expected {expected}, found {found}", position);
    }
}
