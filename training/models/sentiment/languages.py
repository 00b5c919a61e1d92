"""Sentences on films that are not English, to measure by whether the model warns.

Written by hand; nothing was chosen by them. Most are of languages in Latin letters, for
words in other letters are none of the vocabulary's, and so the easy ones.
"""

SENTENCES: dict[str, tuple[str, ...]] = {
    "German": (
        "Ein wunderbarer Film, den ich gern noch einmal sehen will.",
        "Das war so langweilig, dass ich nach einer Stunde gegangen bin.",
        "Die Schauspieler sind gut, aber die Handlung ist schwach.",
    ),
    "French": (
        "Un film magnifique, je le recommande à tous.",
        "Le scénario est nul et les acteurs jouent mal.",
        "C'est le meilleur film de cette année.",
    ),
    "Spanish": (
        "Una película maravillosa, me encantó de principio a fin.",
        "Es la peor película que he visto en mi vida.",
        "No me gusta nada este actor.",
    ),
    "Italian": (
        "Un film bellissimo, da vedere e rivedere.",
        "La storia non ha senso e dura troppo.",
        "Mi sono annoiato dal primo minuto.",
    ),
    "Portuguese": (
        "Um filme excelente, com atores muito bons.",
        "Não gostei nada da história.",
        "Foi uma perda de tempo e de dinheiro.",
    ),
    "Dutch": (
        "Een prachtige film die ik iedereen aanraad.",
        "Het verhaal was saai en veel te lang.",
        "De beste film die ik in jaren heb gezien.",
    ),
    "Swedish": ("En underbar film som alla borde se.", "Den var tråkig och för lång."),
    "Danish": ("Det er den bedste film i år.", "Filmen var kedelig og alt for lang."),
    "Norwegian": ("En fantastisk film med gode skuespillere.", "Jeg likte den ikke."),
    "Finnish": ("Aivan upea elokuva.", "Elokuva oli pitkä ja tylsä."),
    "Polish": ("To był wspaniały film.", "Nudny film, szkoda czasu."),
    "Czech": ("Skvělý film, doporučuji.", "Byla to ztráta času."),
    "Hungarian": ("Nagyon jó film volt.", "Unalmas és túl hosszú."),
    "Romanian": ("Un film foarte bun.", "O pierdere de timp."),
    "Turkish": ("Harika bir film, çok beğendim.", "Çok sıkıcı bir filmdi."),
    "Indonesian": ("Film ini sangat bagus.", "Ceritanya membosankan sekali."),
    "Vietnamese": ("Phim rất hay và cảm động.", "Phim này quá dài và chán."),
    "Russian": ("Отличный фильм, всем советую.", "Скучно и слишком долго."),
    "Greek": ("Μια υπέροχη ταινία.", "Πολύ βαρετή ιστορία."),
    "Arabic": ("فيلم رائع جدا", "قصة مملة وطويلة"),
    "Hindi": ("बहुत अच्छी फिल्म है", "कहानी उबाऊ थी"),
    "Chinese": ("这部电影非常好看", "剧情无聊，浪费时间"),
    "Japanese": ("とても面白い映画でした", "つまらない映画だった"),
}
