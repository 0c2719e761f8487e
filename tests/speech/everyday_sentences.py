"""Short everyday sentences by language, written for these tests: what `emotalk.speech.language` was tuned on and, apart
from it, what it is checked on."""

TUNED_ON = {
    "en": """
        Where did you put my keys? | The train leaves in ten minutes. | I would like a cup of tea, please.
        Could you close the window? | It has been raining all day. | She never told me about that. | What a surprise!
        My brother lives in a small village. | We are going to the beach tomorrow. | This soup tastes really good.
        I don't know what to say. | Thank you very much for your help. | Have you seen the new film yet?
        The children are playing in the garden. | Good morning, how are you today?
        Call me when you get home. | I forgot to buy bread. | How much does this cost? | He is taller than his father.
        Let's meet in front of the station at six. | That was the best day of my life. | Nobody believed her story.
        You should go to bed earlier. | Why are you laughing? | There is milk in the fridge.
        The old bridge was closed last winter. | Please don't be angry with me. | I am so happy for you!
        Is this seat taken? | The dog barked all night long.
    """,
    "es": """
        ¿Dónde has puesto mis llaves? | El tren sale dentro de diez minutos. | Quisiera una taza de té, por favor.
        ¿Puedes cerrar la ventana? | Ha estado lloviendo todo el día. | Ella nunca me habló de eso. | ¡Qué sorpresa!
        Mi hermano vive en un pueblo pequeño. | Mañana vamos a la playa. | Esta sopa está muy rica.
        No sé qué decir. | Muchas gracias por tu ayuda. | ¿Ya has visto la nueva película?
        Los niños juegan en el jardín. | Buenos días, ¿cómo estás hoy?
        Llámame cuando llegues a casa. | Se me olvidó comprar pan. | ¿Cuánto cuesta esto? | Es más alto que su padre.
        Quedamos delante de la estación a las seis. | Fue el mejor día de mi vida. | Nadie creyó su historia.
        Deberías acostarte más temprano. | ¿Por qué te ríes? | Hay leche en la nevera.
        El viejo puente se cerró el invierno pasado. | Por favor, no te enfades conmigo. | ¡Me alegro mucho por ti!
        ¿Está ocupado este asiento? | El perro ladró toda la noche.
    """,
    "fr": """
        Où as-tu mis mes clés ? | Le train part dans dix minutes. | Je voudrais une tasse de thé, s'il vous plaît.
        Tu peux fermer la fenêtre ? | Il a plu toute la journée. | Elle ne m'en a jamais parlé. | Quelle surprise !
        Mon frère habite dans un petit village. | Demain, nous allons à la plage. | Cette soupe est très bonne.
        Je ne sais pas quoi dire. | Merci beaucoup pour votre aide. | Tu as déjà vu le nouveau film ?
        Les enfants jouent dans le jardin. | Bonjour, comment allez-vous aujourd'hui ?
        Appelle-moi quand tu rentres. | J'ai oublié d'acheter du pain. | Combien ça coûte ?
        Il est plus grand que son père.
        On se retrouve devant la gare à six heures. | C'était le plus beau jour de ma vie.
        Personne n'a cru son histoire.
        Tu devrais te coucher plus tôt. | Pourquoi ris-tu ? | Il y a du lait dans le frigo.
        Le vieux pont a été fermé l'hiver dernier. | S'il te plaît, ne sois pas fâché. | Je suis si content pour toi !
        Cette place est prise ? | Le chien a aboyé toute la nuit.
    """,
    "it": """
        Dove hai messo le mie chiavi? | Il treno parte tra dieci minuti. | Vorrei una tazza di tè, per favore.
        Puoi chiudere la finestra? | Ha piovuto tutto il giorno. | Non me ne ha mai parlato. | Che sorpresa!
        Mio fratello abita in un piccolo paese. | Domani andiamo al mare. | Questa zuppa è davvero buona.
        Non so cosa dire. | Grazie mille per il tuo aiuto. | Hai già visto il nuovo film?
        I bambini giocano in giardino. | Buongiorno, come sta oggi?
        Chiamami quando arrivi a casa. | Ho dimenticato di comprare il pane. | Quanto costa questo?
        È più alto di suo padre.
        Ci vediamo davanti alla stazione alle sei. | È stato il giorno più bello della mia vita.
        Nessuno le ha creduto.
        Dovresti andare a letto prima. | Perché ridi? | C'è del latte in frigo.
        Il vecchio ponte è stato chiuso l'inverno scorso. | Per favore, non arrabbiarti con me. | Sono felice per te!
        È libero questo posto? | Il cane ha abbaiato tutta la notte.
    """,
    "pt": """
        Onde você colocou as minhas chaves? | O trem sai em dez minutos. | Eu queria uma xícara de chá, por favor.
        Você pode fechar a janela? | Choveu o dia inteiro. | Ela nunca me falou sobre isso. | Que surpresa!
        Meu irmão mora numa aldeia pequena. | Amanhã vamos à praia. | Esta sopa está muito boa.
        Não sei o que dizer. | Muito obrigado pela sua ajuda. | Já viste o filme novo?
        As crianças brincam no jardim. | Bom dia, como está hoje?
        Me liga quando chegar em casa. | Esqueci-me de comprar pão. | Quanto custa isto?
        Ele é mais alto do que o pai.
        Vamos nos encontrar na frente da estação às seis. | Foi o melhor dia da minha vida. | Ninguém acreditou nela.
        Devias ir para a cama mais cedo. | Por que você está rindo? | Tem leite na geladeira.
        A velha ponte foi fechada no inverno passado. | Por favor, não fique bravo comigo. | Estou tão feliz por ti!
        Este lugar está ocupado? | O cachorro latiu a noite toda.
    """,
    "de": """
        Wo hast du meine Schlüssel hingelegt? | Der Zug fährt in zehn Minuten. | Ich hätte gern eine Tasse Tee, bitte.
        Kannst du das Fenster zumachen? | Es hat den ganzen Tag geregnet. | Das hat sie mir nie erzählt.
        Was für eine Überraschung! | Mein Bruder wohnt in einem kleinen Dorf. | Morgen fahren wir an den Strand.
        Diese Suppe schmeckt wirklich gut. | Ich weiß nicht, was ich sagen soll. | Vielen Dank für Ihre Hilfe.
        Hast du den neuen Film schon gesehen? | Die Kinder spielen im Garten. | Guten Morgen, wie geht es Ihnen heute?
        Ruf mich an, wenn du zu Hause bist. | Ich habe vergessen, Brot zu kaufen. | Wie viel kostet das?
        Er ist größer als sein Vater. | Wir treffen uns um sechs vor dem Bahnhof.
        Das war der schönste Tag meines Lebens.
        Niemand hat ihr geglaubt. | Du solltest früher ins Bett gehen. | Warum lachst du? | Im Kühlschrank ist Milch.
        Die alte Brücke wurde letzten Winter gesperrt. | Bitte sei mir nicht böse. | Ich freue mich so für dich!
        Ist dieser Platz noch frei? | Der Hund hat die ganze Nacht gebellt.
    """,
    "nl": """
        Waar heb je mijn sleutels gelegd? | De trein vertrekt over tien minuten. | Het heeft de hele dag geregend.
        Morgen gaan we naar het strand. | Ik weet niet wat ik moet zeggen. | De kinderen spelen in de tuin.
        Bel me als je thuis bent. | Ik ben vergeten brood te kopen. | Hij is groter dan zijn vader.
        Waarom lach je? | De oude brug was vorige winter gesloten. | De hond heeft de hele nacht geblaft.
    """,
    "sv": """
        Var har du lagt mina nycklar? | Tåget går om tio minuter. | Det har regnat hela dagen.
        I morgon åker vi till stranden. | Jag vet inte vad jag ska säga. | Barnen leker i trädgården.
    """,
    "pl": """
        Gdzie położyłeś moje klucze? | Pociąg odjeżdża za dziesięć minut. | Cały dzień padał deszcz.
        Jutro jedziemy na plażę. | Nie wiem, co powiedzieć. | Dzieci bawią się w ogrodzie.
    """,
    "ca": """
        On has posat les meves claus? | El tren surt d'aquí a deu minuts. | Ha plogut tot el dia.
        Demà anem a la platja. | No sé què dir. | Els nens juguen al jardí.
        Truca'm quan arribis a casa. | M'he oblidat de comprar pa. | És més alt que el seu pare.
        Per què rius? | El pont vell es va tancar l'hivern passat. | El gos va bordar tota la nit.
    """,
    "gl": """
        Onde puxeches as miñas chaves? | O tren sae en dez minutos. | Choveu todo o día.
        Mañá imos á praia. | Non sei que dicir. | Os nenos xogan no xardín.
        Chámame cando chegues á casa. | Esquecín mercar pan. | É máis alto ca seu pai.
        Por que ris? | A vella ponte pechouse o inverno pasado. | O can ladrou toda a noite.
    """,
    "ro": """
        Unde mi-ai pus cheile? | Trenul pleacă în zece minute. | A plouat toată ziua.
        Mâine mergem la plajă. | Nu știu ce să spun. | Copiii se joacă în grădină.
    """,
    "tr": """
        Anahtarlarımı nereye koydun? | Tren on dakika sonra kalkıyor. | Bütün gün yağmur yağdı.
        Yarın plaja gidiyoruz. | Ne diyeceğimi bilmiyorum. | Çocuklar bahçede oynuyor.
    """,
    "da": """
        Ring til mig, når du er hjemme. | Jeg har glemt at købe brød. | Han er højere end sin far.
        Hvorfor griner du? | Den gamle bro var lukket sidste vinter. | Hunden gøede hele natten.
    """,
    "cs": """
        Zavolej mi, až budeš doma. | Zapomněl jsem koupit chleba. | Je vyšší než jeho otec.
        Proč se směješ? | Starý most byl minulou zimu zavřený. | Pes štěkal celou noc.
    """,
    "hu": """
        Hívj fel, ha hazaértél. | Elfelejtettem kenyeret venni. | Magasabb, mint az apja.
        Miért nevetsz? | A régi hidat tavaly télen lezárták. | A kutya egész éjjel ugatott.
    """,
    "id": """
        Telepon aku kalau kamu sudah di rumah. | Saya lupa membeli roti. | Dia lebih tinggi dari ayahnya.
        Kenapa kamu tertawa? | Jembatan tua itu ditutup musim dingin lalu. | Anjing itu menggonggong sepanjang malam.
    """,
}

CHECKED_ON = {
    "en": """
        We ran out of coffee this morning. | Turn left at the next corner. | My phone is broken again.
        She works at a hospital downtown. | Did you sleep well? | I can't find my glasses anywhere.
        The shop opens at nine. | It is much colder than yesterday. | You look tired. | Let me think about it.
    """,
    "es": """
        Esta mañana nos quedamos sin café. | Gira a la izquierda en la próxima esquina.
        Se me rompió el móvil otra vez.
        Ella trabaja en un hospital del centro. | ¿Has dormido bien? | No encuentro mis gafas por ningún lado.
        La tienda abre a las nueve. | Hace mucho más frío que ayer. | Pareces cansado. | Déjame pensarlo.
    """,
    "fr": """
        Nous n'avons plus de café ce matin. | Tournez à gauche au prochain carrefour. | Mon téléphone est encore cassé.
        Elle travaille dans un hôpital du centre. | Tu as bien dormi ? | Je ne trouve mes lunettes nulle part.
        Le magasin ouvre à neuf heures. | Il fait bien plus froid qu'hier. | Tu as l'air fatigué.
        Laisse-moi réfléchir.
    """,
    "it": """
        Stamattina abbiamo finito il caffè. | Gira a sinistra al prossimo incrocio.
        Il mio telefono si è rotto di nuovo.
        Lei lavora in un ospedale in centro. | Hai dormito bene? | Non trovo i miei occhiali da nessuna parte.
        Il negozio apre alle nove. | Fa molto più freddo di ieri. | Sembri stanco. | Fammi pensare.
    """,
    "pt": """
        Hoje de manhã acabou o café. | Vire à esquerda na próxima esquina. | O meu celular quebrou de novo.
        Ela trabalha num hospital no centro. | Dormiste bem? | Não acho os meus óculos em lugar nenhum.
        A loja abre às nove. | Está muito mais frio do que ontem. | Você parece cansado. | Deixa eu pensar.
    """,
    "de": """
        Heute Morgen war der Kaffee alle. | An der nächsten Ecke links abbiegen. | Mein Handy ist schon wieder kaputt.
        Sie arbeitet in einem Krankenhaus in der Stadt. | Hast du gut geschlafen? | Ich finde meine Brille nirgends.
        Der Laden macht um neun auf. | Es ist viel kälter als gestern. | Du siehst müde aus. | Lass mich nachdenken.
    """,
    "nl": """
        De koffie was vanmorgen op. | Sla bij de volgende hoek links af. | Heb je goed geslapen?
        De winkel gaat om negen uur open. | Je ziet er moe uit. | Mijn telefoon is weer kapot.
    """,
    "da": """
        Drej til venstre ved næste hjørne. | Har du sovet godt? | Butikken åbner klokken ni. | Du ser træt ud.
    """,
    "no": """
        Ta til venstre ved neste hjørne. | Har du sovet godt? | Butikken åpner klokka ni. | Du ser sliten ut.
    """,
    "ca": """
        Aquest matí ens hem quedat sense cafè. | Has dormit bé? | La botiga obre a les nou. | Sembles cansat.
    """,
    "gl": """
        Xira á esquerda na próxima esquina. | Durmiches ben? | A tenda abre ás nove. | Pareces canso.
    """,
    "ro": """
        Azi dimineață am rămas fără cafea. | Ai dormit bine? | Magazinul se deschide la nouă. | Pari obosit.
    """,
    "sk": """
        Na najbližšom rohu odbočte doľava. | Spal si dobre? | Obchod otvára o deviatej. | Vyzeráš unavene.
    """,
    "fi": """
        Käänny seuraavasta kulmasta vasemmalle. | Nukuitko hyvin? | Kauppa aukeaa yhdeksältä. | Näytät väsyneeltä.
    """,
}


def sentences(table: dict[str, str]) -> list[tuple[str, str]]:
    """(language, sentence) of all sentences of a table."""
    return [
        (language, sentence.strip())
        for language, block in table.items()
        for line in block.strip().splitlines()
        for sentence in line.split("|")
    ]
